-- Keys of idempotency under which a feed was sent again that is there under
-- another key, or under none.
CREATE TABLE feed_resend (
  merchant_id     text NOT NULL,
  idempotency_key text NOT NULL,
  feed_id         text NOT NULL REFERENCES feed,
  PRIMARY KEY (merchant_id, idempotency_key)
);
