//! How accounts come to be, and who becomes the admin: every change of them.

use anyhow::Context as _;
use api::{UserId, email_key};
use chassis::{Error, new_id};
use database::query;
use sqlx::FromRow;

use crate::{
    Store,
    store::{ADMIN, SHOPPER},
};

/// What `RETURNING id` says.
#[derive(FromRow)]
struct Named {
    #[sqlx(try_from = "String")]
    id: UserId,
}

impl Store {
    /// Adds a shopper's account and returns its id; none, at the same cost, where the address has one.
    pub(crate) async fn register(
        &self,
        email: &str,
        password_hash: &str,
    ) -> Result<Option<UserId>, Error> {
        let mut transaction = self.database.write().await?;
        let inserted: Option<Named> = query(
            "INSERT INTO users (id, email, email_key, password_hash, role) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (email_key) DO NOTHING RETURNING id",
        )
        .bind(new_id("u"))
        .bind(email)
        .bind(email_key(email))
        .bind(password_hash)
        .bind(SHOPPER)
        .fetch_optional(&mut transaction)
        .await?;
        transaction.commit().await?;
        Ok(inserted.map(|it| it.id))
    }

    /// Makes the account of `email`, old or new, the admin's and returns its id.
    pub(crate) async fn put_admin(
        &self,
        email: &str,
        password_hash: &str,
    ) -> Result<UserId, Error> {
        let mut transaction = self.database.write().await?;
        let named: Option<Named> = query(
            "INSERT INTO users (id, email, email_key, password_hash, role) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (email_key) DO UPDATE SET password_hash = excluded.password_hash, role = excluded.role
             RETURNING id",
        )
        .bind(new_id("u"))
        .bind(email)
        .bind(email_key(email))
        .bind(password_hash)
        .bind(ADMIN)
        .fetch_optional(&mut transaction)
        .await?;
        transaction.commit().await?;
        Ok(named.context("an account that was put has an id")?.id)
    }
}
