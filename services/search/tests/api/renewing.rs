//! An index that an earlier release has written, whose words have another form.

use std::path::Path;
#[cfg(feature = "elasticsearch")]
use std::time::Duration;

#[cfg(feature = "elasticsearch")]
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::Search;

/// A file as the first release left it: texts as they were written, in a tokenizer's hands.
async fn earlier_file(path: &Path) {
    let options = SqliteConnectOptions::new().filename(path);
    let options = options.create_if_missing(true);
    let connected = SqliteConnection::connect_with(&options).await;
    let mut file = connected.expect("a file");
    let mut migrations = sqlx::migrate!();
    migrations.migrations.to_mut().truncate(1);
    migrations.run(&mut file).await.expect("its tables");
    for sql in [
        "INSERT INTO products VALUES (1, 'p-000001', 3, 'Медный чайник', 'kitchen', 500)",
        "INSERT INTO products VALUES (2, 'p-000002', 1, '전기 주전자', 'kitchen', 500)",
        "INSERT INTO texts (rowid, name, category, description) VALUES (1, 'Медный чайник', 'kitchen', 'Soft-boiled')",
        "INSERT INTO texts (rowid, name, category, description) VALUES (2, '전기 주전자', 'kitchen', '')",
        "INSERT INTO words VALUES ('чаиник', 'киниач', 1)",
    ] {
        sqlx::query(sql).execute(&mut file).await.expect("a row");
    }
    file.close().await.expect("a closed file");
}

#[tokio::test]
async fn a_file_of_an_earlier_release_is_renewed_when_it_is_opened() {
    let data = tempfile::tempdir().expect("a directory");
    let path = data.path().join("search.db");
    earlier_file(&path).await;
    let url = format!("sqlite:{}", path.display());
    let search = Search::serve(data, &url, 10).await;
    for (text, id) in [
        ("чайник", "p-000001"),
        ("soft", "p-000001"),
        ("주전자", "p-000002"),
        // Not typed to its end, and mistyped: of that another table knows.
        ("чайн", "p-000001"),
    ] {
        let found = search.find_text(text).await;
        assert_eq!(crate::ids(&found.hits), [id], "{text}");
        assert_eq!(found.corrections, []);
    }
    let corrected = search.find_text("чаиник").await;
    assert_eq!(corrected.corrections[0].read, "чайник");
    let all = search.find_text("").await;
    assert_eq!((all.total, all.hits[0].version), (2, 3), "and no seed");
}

#[cfg(feature = "elasticsearch")]
#[tokio::test]
#[ignore = "needs Elasticsearch: scripts/backends up"]
async fn an_index_of_an_earlier_release_is_rebuilt_by_itself() {
    let search = Search::elasticsearch().await;
    let (client, url) = (&search.client, &search.url);
    let meta = json!({ "_meta": {} });
    let put = client.put(format!("{url}/_mapping")).json(&meta).send();
    assert_eq!(put.await.expect("an answer").status().as_u16(), 200);
    let catalog = crate::rebuilding::Catalog::serve(search.data.path(), crate::SEEDED + 5).await;
    // Of two replicas that begin, the later one does it.
    let _rebuilders = [catalog.rebuilder(&search), catalog.rebuilder(&search)];
    let rebuilt = async {
        loop {
            let answer = client.get(format!("{url}/_mapping")).send().await;
            let mapping: Value = answer.expect("an answer").json().await.expect("JSON");
            let index = mapping.as_object().and_then(|it| it.values().next());
            let form = index.map(|it| &it["mappings"]["_meta"]["form"]);
            if form.is_some_and(Value::is_number) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let rebuilt = tokio::time::timeout(Duration::from_mins(3), rebuilt).await;
    rebuilt.expect("an index of this release");
    let found = search.find(&api::SearchQuery::default()).await;
    assert_eq!(found.total, crate::SEEDED + 5, "what the catalogue has");
    search.clear().await;
}
