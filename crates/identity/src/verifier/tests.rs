//! Which tokens are believed, and when keys are fetched.

use std::sync::atomic::{AtomicUsize, Ordering};

use api::Role;
use axum::{Json, Router, extract::State, routing::get};
use futures_util::future::join_all;
use jsonwebtoken::{EncodingKey, Header, encode};
use testbed::eventually;

use super::*;
use crate::SigningKey;

const TTL: Duration = Duration::from_mins(1);

fn token(key: &SigningKey) -> String {
    key.issue("u-1", Role::Shopper, TTL).unwrap()
}

fn claims() -> Claims {
    let key = SigningKey::generate();
    let public = DecodingKey::from_jwk(&key.public().keys[0]).unwrap();
    let validation = Verifier::fixed(&key.public()).0.validation.clone();
    let data = jsonwebtoken::decode(token(&key), &public, &validation);
    data.unwrap().claims
}

/// The parts of a token: header, payload, signature.
fn parts(token: &str) -> [&str; 3] {
    let parts: Vec<_> = token.split('.').collect();
    parts.try_into().unwrap()
}

async fn refused(verifier: &Verifier, token: &str) {
    let answer = verifier.verify(token).await;
    assert!(
        matches!(answer, Err(Error::InvalidToken(_))),
        "{token}: {answer:?}"
    );
}

#[tokio::test]
async fn a_token_of_ours_says_who_it_speaks_for() {
    let key = SigningKey::generate();
    let verifier = Verifier::fixed(&key.public());
    let said = verifier.verify(&token(&key)).await.unwrap();
    assert_eq!((said.sub.as_str(), said.role), ("u-1", Role::Shopper));
}

#[tokio::test]
async fn a_claim_that_is_not_for_us_or_over_is_refused_though_well_signed() {
    let key = SigningKey::generate();
    let verifier = Verifier::fixed(&key.public());
    let good = claims();
    assert!(verifier.verify(&key.sign(&good).unwrap()).await.is_ok());
    let changes: [fn(&mut Claims); 4] = [
        |it| it.exp = it.iat - LEEWAY_S - 1,
        |it| it.exp = 0,
        |it| it.iss = "someone/else".into(),
        |it| it.aud = "another/shop".into(),
    ];
    for change in changes {
        let mut bad = good.clone();
        change(&mut bad);
        refused(&verifier, &key.sign(&bad).unwrap()).await;
    }
}

#[tokio::test]
async fn a_token_is_not_valid_before_its_time() {
    let key = SigningKey::generate();
    let verifier = Verifier::fixed(&key.public());
    let own = EncodingKey::from_ed_der(&pem::parse(key.to_pem()).unwrap().into_contents());
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid.clone_from(&key.public().keys[0].common.key_id);
    let now = claims().iat;
    for (nbf, valid) in [(now - 60, true), (now + 1, true), (now + 60, false)] {
        let mut claims = serde_json::to_value(claims()).unwrap();
        claims["nbf"] = nbf.into();
        let token = encode(&header, &claims, &own).unwrap();
        if valid {
            assert!(verifier.verify(&token).await.is_ok(), "{nbf}");
        } else {
            refused(&verifier, &token).await;
        }
    }
}

#[tokio::test]
async fn a_verified_token_is_remembered_until_it_is_over() {
    let key = SigningKey::generate();
    let verifier = Verifier::fixed(&key.public());
    let good = token(&key);
    let keys = verifier.0.keys();
    assert_eq!(keys.remembered(&good), None);
    let claims = verifier.verify(&good).await.unwrap();
    assert_eq!(keys.remembered(&good), Some(claims.clone()));
    assert_eq!(keys.remembered(&good[..good.len() - 1]), None);

    let mut over = claims;
    over.exp = jsonwebtoken::get_current_timestamp() - LEEWAY_S - 1;
    let old = key.sign(&over).unwrap();
    keys.remember(&old, &over);
    assert_eq!(keys.remembered(&old), None);
    refused(&verifier, &old).await;
}

#[tokio::test]
async fn a_refused_token_is_not_remembered() {
    let (ours, theirs) = (SigningKey::generate(), SigningKey::generate());
    let verifier = Verifier::fixed(&ours.public());
    let forged = token(&theirs);
    for _ in 0..2 {
        refused(&verifier, &forged).await;
    }
    assert!(verifier.0.keys().verified.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_forged_token_is_refused_however_it_was_made() {
    let (ours, theirs) = (SigningKey::generate(), SigningKey::generate());
    let verifier = Verifier::fixed(&ours.public());
    let public = &ours.public().keys[0];
    let kid = public.common.key_id.clone();

    let good = token(&ours);
    let admin = ours.issue("u-1", Role::Admin, TTL).unwrap();
    let ([header, payload, signature], [_, better, _]) = (parts(&good), parts(&admin));
    refused(&verifier, &format!("{header}.{better}.{signature}")).await;
    refused(&verifier, &format!("{header}.{payload}.")).await;
    for nonsense in ["", "a", "a.b.c", "..", payload] {
        refused(&verifier, nonsense).await;
    }

    // {"alg":"none"}
    refused(&verifier, &format!("eyJhbGciOiJub25lIn0.{payload}.")).await;
    refused(
        &verifier,
        &format!("eyJhbGciOiJub25lIn0.{payload}.{signature}"),
    )
    .await;

    let signed = |change: &dyn Fn(&mut Header), key: &EncodingKey| {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid.clone_from(&kid);
        change(&mut header);
        encode(&header, &claims(), key).unwrap()
    };
    // A public key as the secret of a symmetric algorithm.
    let bytes = DecodingKey::from_jwk(public).unwrap();
    let secret = EncodingKey::from_secret(bytes.try_get_as_bytes().unwrap());
    refused(&verifier, &signed(&|it| it.alg = Algorithm::HS256, &secret)).await;
    // Another key under our key's name, and brought along in the header.
    let other = EncodingKey::from_ed_der(&pem::parse(theirs.to_pem()).unwrap().into_contents());
    let jwk = &theirs.public().keys[0];
    refused(&verifier, &signed(&|_| (), &other)).await;
    refused(&verifier, &signed(&|it| it.jwk = Some(jwk.clone()), &other)).await;
    // Ours, under no name, and asking for what we do not know.
    let own = EncodingKey::from_ed_der(&pem::parse(ours.to_pem()).unwrap().into_contents());
    assert!(verifier.verify(&signed(&|_| (), &own)).await.is_ok());
    refused(&verifier, &signed(&|it| it.kid = None, &own)).await;
    refused(
        &verifier,
        &signed(&|it| it.crit = Some(vec!["x".into()]), &own),
    )
    .await;
    refused(&verifier, &token(&theirs)).await;
}

/// What answers for users: its keys, none while it is away, and how often it was asked.
#[derive(Clone, Default)]
struct Users(Arc<(Mutex<Option<JwkSet>>, AtomicUsize)>);

impl Users {
    async fn verifier(&self) -> Verifier {
        let answer = async |State(users): State<Users>| {
            users.0.1.fetch_add(1, Ordering::SeqCst);
            let keys = users.0.0.lock().unwrap().clone();
            keys.map(Json).ok_or(Error::Unavailable("users"))
        };
        let app = Router::new()
            .route(JWKS, get(answer))
            .with_state(self.clone());
        let address = testbed::serve(app).await;
        Verifier::new(&address.into())
    }

    /// Users with one key, which the verifier has fetched.
    async fn with(key: &SigningKey) -> (Self, Verifier) {
        let users = Self::default();
        users.have(&[key]);
        let verifier = users.verifier().await;
        eventually("there are keys", async || verifier.loaded().is_ok()).await;
        (users, verifier)
    }

    fn have(&self, keys: &[&SigningKey]) {
        let keys = keys.iter().flat_map(|it| it.public().keys).collect();
        *self.0.0.lock().unwrap() = Some(JwkSet { keys });
    }

    fn go_away(&self) {
        *self.0.0.lock().unwrap() = None;
    }

    fn asked(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn keys_are_asked_for_until_they_come_and_until_then_nobody_is_accused() {
    let (users, key) = (Users::default(), SigningKey::generate());
    let verifier = users.verifier().await;
    eventually("it is asked again", async || users.asked() >= 2).await;
    assert!(verifier.loaded().is_err());
    let unknown = verifier.verify(&token(&key)).await;
    assert!(matches!(unknown, Err(Error::Unavailable(_))), "{unknown:?}");

    users.have(&[&key]);
    eventually("there are keys", async || verifier.loaded().is_ok()).await;
    assert!(verifier.verify(&token(&key)).await.is_ok());
}

#[tokio::test]
async fn an_unknown_key_is_asked_for_once_and_known_ones_outlive_users() {
    let (old, new) = (SigningKey::generate(), SigningKey::generate());
    let (users, verifier) = Users::with(&old).await;
    assert_eq!(users.asked(), 1);

    users.have(&[&old, &new]);
    let fresh = token(&new);
    let answers = join_all((0..10).map(|_| verifier.verify(&fresh))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(users.asked(), 2, "ten callers share one fetch");

    users.go_away();
    for _ in 0..10 {
        refused(&verifier, &token(&SigningKey::generate())).await;
    }
    assert_eq!(users.asked(), 2, "the next fetch has to wait");
    for key in [&old, &new] {
        assert!(verifier.verify(&token(key)).await.is_ok());
    }

    // Ten seconds later.
    verifier
        .0
        .last_refresh
        .lock()
        .unwrap()
        .as_mut()
        .unwrap()
        .began -= REFRESH_AFTER;
    refused(&verifier, &token(&SigningKey::generate())).await;
    assert_eq!(users.asked(), 3);
    assert!(
        verifier.verify(&token(&old)).await.is_ok(),
        "the last known stay"
    );
}

#[tokio::test]
async fn a_key_that_is_published_no_more_takes_its_tokens_with_it() {
    let (old, new) = (SigningKey::generate(), SigningKey::generate());
    let (users, verifier) = Users::with(&old).await;
    let stolen = token(&old);
    assert!(verifier.verify(&stolen).await.is_ok());

    users.have(&[&new]);
    assert!(verifier.verify(&token(&new)).await.is_ok());
    refused(&verifier, &stolen).await;
}
