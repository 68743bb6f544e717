-- Expand: what the amounts are in, by ISO 4217. NULL is what the version before leaves, and means EUR; src/backfill.rs fills it in.
-- It has no default: that would also answer for whoever forgets the currency once there are two.
ALTER TABLE orders ADD COLUMN currency TEXT;
