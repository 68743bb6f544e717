//! The admin: the one account that exists without having registered.

use anyhow::Context as _;
use api::{Role, email_key};

use crate::{
    Config, State,
    account::{check_email, check_password, opaque},
};

/// Sees to it that there is the admin whom `config` names, if it does, and that the password in the file is theirs.
///
/// An account that registered the address first becomes the admin's: its password is replaced with it.
pub(crate) async fn seed(state: &State, config: &Config) -> anyhow::Result<()> {
    let State { store, hasher, .. } = state;
    let (Some(email), Some(file)) = (&config.admin_email, &config.admin_password_file) else {
        return Ok(());
    };
    let password = std::fs::read_to_string(file);
    let password =
        password.with_context(|| format!("read the admin's password from {}", file.display()))?;
    let password = opaque(password.trim());
    check_email(email).context("--admin-email")?;
    check_password(&password).context("--admin-password-file")?;
    if let Some(admin) = store.admin().await? {
        if email_key(&admin.email) != email_key(email) {
            tracing::warn!(
                user_id = %admin.id,
                "admin account exists; --admin-email ignored"
            );
            return Ok(());
        }
        let hash = Some(admin.password_hash);
        if hasher.verify(password.clone(), hash).await? {
            return Ok(());
        }
    }
    let hash = hasher.hash(password).await?;
    let user_id = store.put_admin(email, &hash).await?;
    tracing::info!(%user_id, role = ?Role::Admin, "admin password set from file");
    Ok(())
}
