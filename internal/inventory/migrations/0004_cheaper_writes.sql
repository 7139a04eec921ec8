-- A feed rewrites whole stores. With half of each page free, a row's next
-- version finds room beside the last one and no index has to learn of it.
ALTER TABLE item SET (fillfactor = 50);

-- Staged rows live and die in one transaction: nothing of them has to survive
-- a crash, so they need no log. Their load is a number, since each row and
-- each entry of the index carries it.
DROP TABLE item_staging;
CREATE UNLOGGED TABLE item_staging (
  load         int8 NOT NULL,
  item_id      text NOT NULL,
  state        jsonb NOT NULL,
  kept         bytea NOT NULL,
  source_time  timestamptz NOT NULL,
  rejudge_at   timestamptz,
  PRIMARY KEY (load, item_id)
);
