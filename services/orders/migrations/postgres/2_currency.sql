-- Expand: what the amounts are in, by ISO 4217. NULL is what the version before leaves, and means EUR; src/backfill.rs fills it in.
-- It has no default: that would also answer for whoever forgets the currency once there are two.

-- Whoever comes after a change that waits for its lock waits too, so it does not wait for long: the replica that starts tries again.
SET LOCAL lock_timeout = '2s';
ALTER TABLE orders ADD COLUMN currency TEXT;
