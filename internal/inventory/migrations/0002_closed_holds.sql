-- An item's story tells what became of a price that was held.
CREATE INDEX hold_by_item ON hold (merchant_id, store_id, item_id, after_minor);
