//! Who is asking: access tokens (<https://microservices.io/patterns/security/access-token.html>), verified by every service for itself.
//!
//! One service signs tokens with its [`SigningKey`] and publishes the public half; every other fetches that with a [`Verifier`] and
//! keeps it while the signer is away. A service hands its verifier to its router as (part of) the state, and its handlers take
//! [`Identity`] or [`Admin`]. Nothing here shows a token: not in `Debug`, not in an error, not in a log line.
//!
//! **Use it** where services must know who asks without asking another for each request. **Do not use it** where a token must be
//! revocable at once, since one is valid until it expires, or where an identity provider issues them: then only the verifying half
//! fits.
//!
//! ```
//! use std::time::Duration;
//!
//! use api::Role;
//! use identity::{SigningKey, Verifier};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), chassis::Error> {
//! let key = SigningKey::generate();
//! let token = key.issue("u-1", Role::Shopper, Duration::from_secs(900))?;
//! // A service fetches them: Verifier::new(&"http://127.0.0.1:8080".parse()?).
//! let verifier = Verifier::fixed(&key.public());
//! assert_eq!(verifier.verify(&token).await?.sub, "u-1");
//! let stranger = SigningKey::generate().issue("u-1", Role::Admin, Duration::from_secs(900))?;
//! assert_eq!(verifier.verify(&stranger).await.unwrap_err().status(), 401);
//! # Ok(())
//! # }
//! ```
//!
//! **It costs** jsonwebtoken and aws-lc-rs, which is built with a C compiler, and the crates `client` (to fetch keys), `chassis`
//! (errors) and `api`: claims and roles are the shop's.

mod signing;
mod verifier;

use api::{Role, UserId};
use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderMap, HeaderValue, header, request::Parts},
    response::Response,
};
use chassis::Error;
use utoipa::openapi::{
    OpenApi,
    security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

pub use signing::SigningKey;
pub use verifier::Verifier;

/// The account that a request speaks for. As an extractor it answers 401 where there is no token or no valid one.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Which account: the token's `sub`.
    pub user_id: UserId,
    /// What it may do.
    pub role: Role,
    /// Marked as sensitive, so that `Debug` leaves it out.
    authorization: HeaderValue,
}

impl Identity {
    /// The `Authorization` header it came with, to hand on to another service.
    pub fn authorization(&self) -> &HeaderValue {
        &self.authorization
    }
}

/// An [`Identity`] that may change the catalogue. As an extractor it answers 403 to everyone else.
#[derive(Debug, Clone)]
pub struct Admin(pub Identity);

impl<S> FromRequestParts<S> for Identity
where
    S: Send + Sync,
    Verifier: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let identity = Verifier::from_ref(state).identify(&parts.headers).await?;
        identity.ok_or(NO_TOKEN)
    }
}

impl<S> FromRequestParts<S> for Admin
where
    S: Send + Sync,
    Verifier: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let identity = Identity::from_request_parts(parts, state).await?;
        match identity.role {
            Role::Admin => Ok(Self(identity)),
            Role::Shopper => Err(Error::Forbidden("admin role required")),
        }
    }
}

impl Verifier {
    /// The account that `headers` speak for; none where they do not say. A claim that does not hold is an error even where
    /// nobody needs to be known, so that a caller whose token has expired learns of it.
    pub async fn identify(&self, headers: &HeaderMap) -> Result<Option<Identity>, Error> {
        let mut claimed = headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = claimed.next() else {
            return Ok(None);
        };
        // Of two, each service might believe another one.
        if claimed.next().is_some() {
            return Err(INVALID);
        }
        let token =
            bearer(value).ok_or_else(|| match value.as_bytes().split(|it| *it == b' ').next() {
                Some(scheme) if scheme.eq_ignore_ascii_case(b"bearer") => INVALID,
                // Whoever comes with another scheme gave no token (RFC 6750, section 3.1).
                _ => NO_TOKEN,
            })?;
        let claims = self.verify(token).await?;
        let mut authorization = value.clone();
        authorization.set_sensitive(true);
        Ok(Some(Identity {
            user_id: claims.sub.try_into().map_err(|_| INVALID)?,
            role: claims.role,
            authorization,
        }))
    }
}

/// The token of `Bearer …` (RFC 6750, section 2.1); the scheme's case does not matter (RFC 9110, section 11.1).
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim_start_matches(' '))
}

/// One text for whatever is wrong with a token: the details help only those who forge.
const INVALID: Error = Error::InvalidToken("bearer token invalid or expired; log in again");
const NO_TOKEN: Error = Error::Unauthorized("bearer token required; log in");

/// Keeps an answer about an account out of every cache, the browser's too: lay it around routes that take an [`Identity`].
#[expect(clippy::unused_async, reason = "axum asks it of what maps a response")]
pub async fn not_kept(mut response: Response) -> Response {
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    response
}

/// Puts the security scheme `bearer` into an OpenAPI document, for operations that name it: `security(("bearer" = []))`.
#[derive(Debug, Clone, Copy)]
pub struct BearerScheme;

impl utoipa::Modify for BearerScheme {
    fn modify(&self, document: &mut OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("The token from `POST /sessions`."))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::{Router, body::Body, http::Request, response::IntoResponse as _, routing::get};
    use tower::ServiceExt as _;

    use super::*;

    const TTL: Duration = Duration::from_mins(1);

    fn header(value: &str) -> HeaderValue {
        value.parse().unwrap()
    }

    #[test]
    fn a_bearer_token_is_found_whatever_the_case_of_its_scheme() {
        for good in ["Bearer abc", "bearer abc", "BEARER  abc"] {
            assert_eq!(bearer(&header(good)), Some("abc"), "{good}");
        }
        for bad in ["", "abc", "Bearer", "Basic abc"] {
            assert_eq!(bearer(&header(bad)), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn routes_ask_for_an_account_or_an_admin_and_say_which() {
        let key = SigningKey::generate();
        let app = Router::new()
            .route("/me", get(async |it: Identity| it.user_id.to_string()))
            .route(
                "/admin",
                get(async |Admin(it): Admin| it.user_id.to_string()),
            )
            .with_state(Verifier::fixed(&key.public()));
        let status = async |path: &str, authorizations: &[&str]| {
            let mut request = Request::get(path).body(Body::empty()).unwrap();
            for it in authorizations {
                let name = axum::http::header::AUTHORIZATION;
                request.headers_mut().append(name, header(it));
            }
            let answer = app.clone().oneshot(request).await.unwrap();
            answer.status().as_u16()
        };
        let shopper = format!("Bearer {}", key.issue("u-1", Role::Shopper, TTL).unwrap());
        let admin = format!("Bearer {}", key.issue("u-2", Role::Admin, TTL).unwrap());
        assert_eq!(status("/me", &[]).await, 401);
        assert_eq!(status("/me", &["Basic dTpw"]).await, 401);
        assert_eq!(status("/me", &[&shopper]).await, 200);
        assert_eq!(status("/me", &[&shopper, &admin]).await, 401);
        assert_eq!(status("/admin", &[]).await, 401);
        assert_eq!(status("/admin", &[&shopper]).await, 403);
        assert_eq!(status("/admin", &[&admin]).await, 200);
    }

    #[tokio::test]
    async fn an_identity_hands_its_header_on_and_shows_it_nowhere() {
        let key = SigningKey::generate();
        let token = key.issue("u-1", Role::Shopper, TTL).unwrap();
        let value = header(&format!("Bearer {token}"));
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.clone())]);
        let verifier = Verifier::fixed(&key.public());
        let identity = verifier.identify(&headers).await.unwrap().unwrap();
        assert_eq!(identity.authorization(), &value);
        for shown in [format!("{identity:?}"), format!("{INVALID:?}")] {
            assert!(!shown.contains(&token), "{shown}");
        }
    }

    #[tokio::test]
    async fn a_refusal_says_which_scheme_to_use_and_whether_the_token_was_wrong() {
        let verifier = Verifier::fixed(&SigningKey::generate().public());
        let asked = async |authorizations: &[&str]| {
            let mut parts = Request::new(()).into_parts().0;
            for it in authorizations {
                let name = axum::http::header::AUTHORIZATION;
                parts.headers.append(name, header(it));
            }
            let refused = Identity::from_request_parts(&mut parts, &verifier).await;
            let mut answer = refused.unwrap_err().into_response();
            let name = axum::http::header::WWW_AUTHENTICATE;
            answer.headers_mut().remove(name).unwrap()
        };
        let invalid = "Bearer error=\"invalid_token\"";
        assert_eq!(asked(&[]).await, "Bearer");
        assert_eq!(asked(&["Basic dTpw"]).await, "Bearer");
        assert_eq!(asked(&["Bearer forged"]).await, invalid);
        for empty in ["bearer", "bearer "] {
            assert_eq!(asked(&[empty]).await, invalid);
        }
        assert_eq!(asked(&["Bearer a", "Bearer b"]).await, invalid);
    }
}
