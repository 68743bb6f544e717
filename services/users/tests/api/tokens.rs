//! Which tokens are taken, and how long.

use std::time::Duration;

use api::{Claims, Role, TOKEN_AUDIENCE, TOKEN_ISSUER};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, encode};

use super::*;

fn claims(sub: &str, exp: u64) -> Claims {
    Claims {
        iss: TOKEN_ISSUER.into(),
        aud: TOKEN_AUDIENCE.into(),
        sub: sub.into(),
        role: Role::Admin,
        iat: 0,
        exp,
    }
}

on_every_database! {
    an_expired_or_forged_token_is_no_token,
    a_token_survives_a_restart_with_the_same_key_and_not_one_with_another,
    the_published_keys_are_public_and_named,
    a_token_is_for_an_account_that_exists,
}

async fn an_expired_or_forged_token_is_no_token(data: Databases) {
    let disk = Disk::new(data);
    let users = disk.start(&[]).await;
    json_of(users.register(ADA, PASSWORD).await, 202).await;
    let good = users.token(ADA, PASSWORD).await;
    json_of(users.me(&good).await, 200).await;

    let key = disk.key();
    let public = key.public().keys.remove(0);
    let payload = good.split('.').nth(1).expect("a payload");
    let signed = |algorithm, secret: &EncodingKey| {
        let mut header = Header::new(algorithm);
        header.kid.clone_from(&public.common.key_id);
        encode(&header, &claims("u-1", u64::MAX), secret).expect("a token")
    };
    let bytes = DecodingKey::from_jwk(&public).expect("a key");
    let bytes = bytes.try_get_as_bytes().expect("its bytes");
    let bad = [
        ("expired", key.sign(&claims("u-1", 1)).expect("a token")),
        // {"alg":"none"}
        ("unsigned", format!("eyJhbGciOiJub25lIn0.{payload}.")),
        (
            "public key as secret",
            signed(Algorithm::HS256, &EncodingKey::from_secret(bytes)),
        ),
        ("cut off", good[..good.len() - 2].to_owned()),
        (
            "unknown key",
            SigningKey::generate()
                .issue("u-1", Role::Admin, Duration::from_mins(1))
                .expect("a token"),
        ),
        ("empty", String::new()),
    ];
    let mut details = Vec::new();
    for (what, token) in bad {
        let answer = users.me(&token).await;
        assert_eq!(answer.status(), 401, "{what}");
        let challenge = &answer.headers()[header::WWW_AUTHENTICATE];
        assert_eq!(challenge, INVALID_TOKEN, "{what}");
        details.push(json_of(answer, 401).await["detail"].clone());
    }
    details.dedup();
    assert_eq!(details.len(), 1, "one text for all: {details:?}");
    let none = users.get("/users/me").await;
    assert_eq!(none.headers()[header::WWW_AUTHENTICATE], "Bearer");
    json_of(none, 401).await;
}

async fn a_token_survives_a_restart_with_the_same_key_and_not_one_with_another(data: Databases) {
    let disk = Disk::new(data);
    let users = disk.start(&[]).await;
    json_of(users.register(ADA, PASSWORD).await, 202).await;
    let token = users.token(ADA, PASSWORD).await;
    let keys = json_of(users.get("/.well-known/jwks.json").await, 200).await;

    let users = disk.start(&[]).await;
    json_of(users.me(&token).await, 200).await;
    let same = json_of(users.get("/.well-known/jwks.json").await, 200).await;
    assert_eq!(same, keys);

    disk.write("key.pem", &generate_signing_key());
    let users = disk.start(&[]).await;
    json_of(users.me(&token).await, 401).await;
}

async fn the_published_keys_are_public_and_named(data: Databases) {
    let users = Disk::new(data).start(&[]).await;
    let keys = json_of(users.get("/.well-known/jwks.json").await, 200).await;
    let [key] = keys["keys"].as_array().expect("keys").as_slice() else {
        panic!("{keys} is not one key");
    };
    let names: Vec<_> = key.as_object().expect("a key").keys().collect();
    assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x"], "and no d");
    assert_eq!(
        (&key["alg"], &key["crv"]),
        (&json!("EdDSA"), &json!("Ed25519"))
    );
}

async fn a_token_is_for_an_account_that_exists(data: Databases) {
    let disk = Disk::new(data);
    let users = disk.start(&[]).await;
    let token = disk
        .key()
        .issue("u-gone", Role::Shopper, Duration::from_mins(1));
    json_of(users.me(&token.expect("a token")).await, 401).await;
}
