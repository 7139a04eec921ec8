-- Merchants, and their stores. Merchants all number their stores from 1, so
-- a store is known by both ids.
CREATE TABLE merchant (
  merchant_id text NOT NULL PRIMARY KEY,
  name        text NOT NULL,
  currency    text NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now(),
  -- When its prices are held; NULL for everybody's limits.
  limits      jsonb,
  -- When medians over this merchant's stores were last computed.
  medians_at  timestamptz
);

CREATE TABLE store (
  merchant_id            text NOT NULL REFERENCES merchant,
  store_id               text NOT NULL,
  name                   text NOT NULL,
  region                 text NOT NULL DEFAULT '',
  inflation_basis_points int4 NOT NULL DEFAULT 0,
  round_to_minor         int8 NOT NULL DEFAULT 0,
  created_at             timestamptz NOT NULL DEFAULT now(),
  -- The source time of the newest full file that was applied whole, and its
  -- feed: no older full row is news.
  watermark              timestamptz,
  watermark_feed         text NOT NULL DEFAULT '',
  -- The usual distance between full files.
  full_interval_ms       int8 NOT NULL DEFAULT 0,
  -- The menu that readers see: one pointer to one object.
  menu_version           int8 NOT NULL DEFAULT 0,
  menu_key               text NOT NULL DEFAULT '',
  menu_at                timestamptz,
  -- Counted when the menu was made.
  items                  int8 NOT NULL DEFAULT 0,
  shown                  int8 NOT NULL DEFAULT 0,
  hidden                 jsonb NOT NULL DEFAULT '{}',
  PRIMARY KEY (merchant_id, store_id)
);

-- One row per store that serializes every write to its items. feed_id names
-- the unit of work that is applying to the store, token the attempt at it:
-- an attempt that lost the fence finds another token and stops.
CREATE TABLE store_fence (
  merchant_id text NOT NULL,
  store_id    text NOT NULL,
  feed_id     text NOT NULL DEFAULT '',
  token       text NOT NULL DEFAULT '',
  -- Counts the writes to the store's items; the menu is current where it was
  -- made at this count.
  writes      int8 NOT NULL DEFAULT 0,
  published   int8 NOT NULL DEFAULT 0,
  PRIMARY KEY (merchant_id, store_id)
);

CREATE TABLE mapping (
  merchant_id text NOT NULL REFERENCES merchant,
  name        text NOT NULL,
  version     text NOT NULL,
  yaml        bytea NOT NULL,
  applied_at  timestamptz NOT NULL,
  PRIMARY KEY (merchant_id, name, version)
);

-- Every version of bodega's own profiles that has run here, since rows name
-- the version that they are read with and outlive it.
CREATE TABLE preset_version (
  version text NOT NULL PRIMARY KEY,
  yaml    bytea NOT NULL
);

-- The catalogue: one product per GTIN, for all merchants.
CREATE TABLE product (
  gtin           int8 NOT NULL PRIMARY KEY,
  name           text NOT NULL,
  brand          text NOT NULL,
  category       text NOT NULL,
  unit           text NOT NULL,
  size           text NOT NULL,
  average_weight text NOT NULL DEFAULT '',
  version        int8 NOT NULL,
  loaded_at      timestamptz NOT NULL
);

-- A unit of work: a merchant's file, or something that items rest on and that
-- changed.
CREATE TABLE feed (
  feed_id         text NOT NULL PRIMARY KEY,
  merchant_id     text NOT NULL,
  store_id        text NOT NULL DEFAULT '',
  region          text NOT NULL DEFAULT '',
  kind            text NOT NULL,
  cause           text NOT NULL,
  status          text NOT NULL,
  file_name       text NOT NULL DEFAULT '',
  size_bytes      int8 NOT NULL DEFAULT 0,
  sha256          text NOT NULL DEFAULT '',
  raw_key         text NOT NULL DEFAULT '',
  mapping_name    text NOT NULL DEFAULT '',
  mapping_version text NOT NULL DEFAULT '',
  source_time     timestamptz NOT NULL,
  submitted_at    timestamptz NOT NULL,
  submitted_by    text NOT NULL DEFAULT '',
  started_at      timestamptz,
  finished_at     timestamptz,
  idempotency_key text,
  -- What the cause is about: the GTINs of a catalogue load, the decision on holds.
  detail          jsonb NOT NULL DEFAULT '{}',
  -- Set when the file was split, in one transaction with its feed_store rows.
  split_at        timestamptz,
  rejects_key     text NOT NULL DEFAULT '',
  truncated       bool NOT NULL DEFAULT false,
  error           text NOT NULL DEFAULT '',
  rows_read       int8 NOT NULL DEFAULT 0,
  applied         int8 NOT NULL DEFAULT 0,
  unchanged       int8 NOT NULL DEFAULT 0,
  stale           int8 NOT NULL DEFAULT 0,
  held            int8 NOT NULL DEFAULT 0,
  rejected        int8 NOT NULL DEFAULT 0,
  duplicates      int8 NOT NULL DEFAULT 0,
  removed         int8 NOT NULL DEFAULT 0,
  removals_held   int8 NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX feed_idempotency ON feed (merchant_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX feed_newest ON feed (merchant_id, submitted_at DESC, feed_id DESC);
CREATE INDEX feed_by_time ON feed (submitted_at DESC, feed_id DESC);
CREATE INDEX feed_open ON feed (submitted_at) WHERE status IN ('queued', 'running');

-- One store's part of a feed: its segment, and how far it has come.
CREATE TABLE feed_store (
  feed_id       text NOT NULL REFERENCES feed,
  merchant_id   text NOT NULL,
  store_id      text NOT NULL,
  -- The segment's object; empty where kept rows are judged again.
  segment_key   text NOT NULL DEFAULT '',
  rows          int8 NOT NULL DEFAULT 0,
  chunks        int4 NOT NULL DEFAULT 0,
  -- The removals of a full file: planned once, before anything is applied.
  planned_at    timestamptz,
  removals_key  text NOT NULL DEFAULT '',
  removals      int8 NOT NULL DEFAULT 0,
  removals_held bool NOT NULL DEFAULT false,
  finished_at   timestamptz,
  PRIMARY KEY (feed_id, store_id)
);
CREATE INDEX feed_store_line ON feed_store (merchant_id, store_id, feed_id);

-- The ledger: a chunk is in it or was not applied.
CREATE TABLE feed_chunk (
  feed_id   text NOT NULL,
  store_id  text NOT NULL,
  chunk     int4 NOT NULL,
  rows      int8 NOT NULL,
  applied   int8 NOT NULL,
  unchanged int8 NOT NULL,
  stale     int8 NOT NULL,
  held      int8 NOT NULL,
  rejected  int8 NOT NULL,
  removed   int8 NOT NULL,
  done_at   timestamptz NOT NULL,
  PRIMARY KEY (feed_id, store_id, chunk)
);
CREATE INDEX feed_chunk_done ON feed_chunk (done_at);

-- One row per chunk that changed something, naming the object with each
-- item's state before and after: what events, history and rollback read.
CREATE TABLE inventory_outbox (
  feed_id     text NOT NULL,
  store_id    text NOT NULL,
  chunk       int4 NOT NULL,
  merchant_id text NOT NULL,
  cause       text NOT NULL,
  object_key  text NOT NULL,
  changes     int8 NOT NULL,
  created_at  timestamptz NOT NULL,
  PRIMARY KEY (feed_id, store_id, chunk)
);

-- The items of the stores. What changes often lives in one document.
CREATE TABLE item (
  merchant_id  text NOT NULL,
  store_id     text NOT NULL,
  item_id      text NOT NULL,
  state        jsonb NOT NULL,
  -- The row that the state came from, column by column, in the segments' encoding.
  kept         bytea NOT NULL,
  source_time  timestamptz NOT NULL,
  -- The unit of work and chunk that wrote this row last; its before/after
  -- object names the one before it.
  change_feed  text NOT NULL,
  change_chunk int4 NOT NULL,
  changed_at   timestamptz NOT NULL,
  -- When a sale's beginning or end changes the price by itself.
  rejudge_at   timestamptz,
  PRIMARY KEY (merchant_id, store_id, item_id)
);
CREATE INDEX item_rejudge ON item (rejudge_at) WHERE rejudge_at IS NOT NULL;

CREATE TABLE item_staging (
  load         text NOT NULL,
  item_id      text NOT NULL,
  state        jsonb NOT NULL,
  kept         bytea NOT NULL,
  source_time  timestamptz NOT NULL,
  rejudge_at   timestamptz,
  PRIMARY KEY (load, item_id)
);

-- The newest source time that confirmed an item without rewriting it, for
-- files that name some items only. A full file confirms by its watermark.
CREATE TABLE item_confirmation (
  merchant_id text NOT NULL,
  store_id    text NOT NULL,
  item_id     text NOT NULL,
  source_time timestamptz NOT NULL,
  -- The same of its availability, which files of that kind confirm alone.
  shelf_time  timestamptz NOT NULL,
  PRIMARY KEY (merchant_id, store_id, item_id)
);

-- An item's median effective price over its merchant's stores.
CREATE TABLE item_median (
  merchant_id text NOT NULL,
  item_id     text NOT NULL,
  price_minor int8 NOT NULL,
  per         int8 NOT NULL,
  stores      int4 NOT NULL,
  PRIMARY KEY (merchant_id, item_id)
);

-- Objects that nothing refers to any more: a menu that another has replaced,
-- the segments of a feed that has ended. Readers may still be at them, so that
-- they are deleted a while later.
CREATE TABLE object_expiry (
  object_key text NOT NULL PRIMARY KEY,
  due_at     timestamptz NOT NULL
);
CREATE INDEX object_expiry_due ON object_expiry (due_at);

-- Shoppers' signals, each once, and their recency-weighted counts: per item
-- and store, per item over all stores (store_id ''), per category and store.
CREATE TABLE signal (
  merchant_id text NOT NULL,
  store_id    text NOT NULL,
  item_id     text NOT NULL,
  signal_id   text NOT NULL,
  found       bool NOT NULL,
  at          timestamptz NOT NULL,
  -- Until when a repetition of the signal is known as one.
  expires_at  timestamptz NOT NULL,
  PRIMARY KEY (merchant_id, store_id, item_id, signal_id)
);
CREATE INDEX signal_expires ON signal (expires_at);

CREATE TABLE signal_count (
  merchant_id text NOT NULL,
  store_id    text NOT NULL,
  level       text NOT NULL,
  key         text NOT NULL,
  found       float8 NOT NULL,
  not_found   float8 NOT NULL,
  at          timestamptz NOT NULL,
  last_found  bool NOT NULL,
  last_at     timestamptz NOT NULL,
  PRIMARY KEY (merchant_id, store_id, level, key)
);

CREATE TABLE hold (
  hold_id      text NOT NULL PRIMARY KEY,
  merchant_id  text NOT NULL,
  store_id     text NOT NULL,
  -- Empty for held removals.
  item_id      text NOT NULL,
  item_name    text NOT NULL DEFAULT '',
  guard        text NOT NULL,
  before_minor int8,
  after_minor  int8,
  median_minor int8,
  currency     text NOT NULL,
  feed_id      text NOT NULL,
  row          int8 NOT NULL DEFAULT 0,
  detail       text NOT NULL DEFAULT '',
  removals     int8 NOT NULL DEFAULT 0,
  removals_key text NOT NULL DEFAULT '',
  state        text NOT NULL,
  created_at   timestamptz NOT NULL,
  decided_at   timestamptz,
  decided_by   text NOT NULL DEFAULT '',
  -- The unit of work that carried the decision out: taking it back needs that
  -- nothing has touched the item since.
  decided_feed text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX hold_open ON hold (merchant_id, store_id, item_id) WHERE state = 'open';
CREATE INDEX hold_by_time ON hold (created_at DESC, hold_id DESC);
CREATE INDEX hold_by_feed ON hold (feed_id);
