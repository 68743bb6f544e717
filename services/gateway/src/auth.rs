//! Who comes in: nobody with a false token, and nobody too often.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::Response,
};
use chassis::Error;
use identity::Verifier;

use crate::limit::{Client, Limiter};

/// What stands at the door; cloning shares it.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) verifier: Verifier,
    pub(crate) limiter: Limiter,
}

/// Lets a request in if its token holds, or if it has none and its client is within the rate. What a client may do is decided
/// by the service that does it, which verifies the token once more.
pub(crate) async fn admit(
    State(door): State<Door>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    let asking = door.verifier.identify(request.headers()).await;
    let client = match &asking {
        Ok(Some(identity)) => Client::Account(identity.user_id.clone()),
        // A false token speaks for no account, so trying tokens counts like coming without one.
        Ok(None) | Err(_) => Client::Address(door.limiter.address(peer.ip(), request.headers())),
    };
    door.limiter.admit(&client)?;
    asking?;
    Ok(next.run(request).await)
}
