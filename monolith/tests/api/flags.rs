//! What a shop in one process is told whose data and secrets are in one directory.

use std::{ffi::OsString, fs, path::Path};

use monolith::PARTS;

/// Flags of a shop whose data and secrets are in `dir`.
pub(crate) fn of(dir: &Path) -> Vec<OsString> {
    let file = |name: &str, text: &str| {
        let path = dir.join(name);
        fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let card_key = cards::generate();
    let public = cards::public_of(&card_key).expect("its public half");
    let of_some = [
        (
            "users",
            format!(
                "--signing-key-file={}",
                file("signing", &users::generate_signing_key())
            ),
        ),
        (
            "payments",
            format!("--card-key-file={}", file("card", &card_key)),
        ),
        (
            "orders",
            format!("--card-key-file={}", file("card.pub", &public)),
        ),
        (
            "orders",
            format!("--fingerprint-key-file={}", file("prints", &"f".repeat(32))),
        ),
        (
            "search",
            format!("--search-url=sqlite:{}/search.db", dir.display()),
        ),
    ];
    let database = |name: &&str| !["gateway", "search"].contains(name);
    let database = PARTS.into_iter().filter(database);
    let database = database.map(|it| {
        (
            it,
            format!("--database-url=sqlite:{}/{it}.db", dir.display()),
        )
    });
    let broker = |name: &&str| !["gateway", "users"].contains(name);
    let broker = PARTS.into_iter().filter(broker);
    let broker = broker.map(|it| {
        (
            it,
            format!("--broker-url=sqlite:{}/broker.db", dir.display()),
        )
    });
    let all = of_some.into_iter().chain(database).chain(broker);
    all.flat_map(|(part, flag)| [part.into(), flag.into()])
        .collect()
}
