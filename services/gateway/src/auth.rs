//! Who comes in: nobody with a false token, and nobody too often.

use std::net::SocketAddr;

use crate::limit::Client;
use axum::{
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::Response,
};
use chassis::Error;

/// Lets a request in if its token holds, or if it has none and its client is within the rate. What a client may do is decided
/// by the service that does it, which verifies the token once more.
pub(crate) async fn admit(
    State(state): State<crate::State>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    let asking = state.verifier.identify(request.headers()).await;
    let client = match &asking {
        Ok(Some(identity)) => Client::Account(identity.user_id.clone()),
        // A false token speaks for no account, so trying tokens counts like coming without one.
        Ok(None) | Err(_) => Client::Address(state.limiter.address(peer.ip(), request.headers())),
    };
    state.limiter.admit(&client)?;
    asking?;
    Ok(client::on_behalf_of(&client.named(), next.run(request)).await)
}
