-- A feed rewrites whole stores. With half of each page free, a row's next
-- version finds room beside the last one and no index has to learn of it.
ALTER TABLE item SET (fillfactor = 50);

-- The load is a number, since each staged row and each entry of the index
-- carries it. Staged rows live and die in one transaction: none is here.
DROP TABLE item_staging;
CREATE TABLE item_staging (
  load         int8 NOT NULL,
  item_id      text NOT NULL,
  state        jsonb NOT NULL,
  kept         bytea NOT NULL,
  source_time  timestamptz NOT NULL,
  rejudge_at   timestamptz,
  PRIMARY KEY (load, item_id)
);
