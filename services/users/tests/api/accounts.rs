//! Registering and logging in.

use futures_util::future::join_all;

use super::*;

on_every_database! {
    who_registers_can_log_in_and_see_the_account,
    an_address_that_is_taken_gets_the_same_answer_at_the_same_cost_and_changes_nothing,
    a_wrong_password_and_an_unknown_address_look_and_cost_the_same,
    the_same_characters_are_the_same_however_they_are_composed,
    credentials_that_break_a_rule_are_refused_before_anything_is_hashed,
    when_all_who_may_wait_do_the_next_is_told_to_come_back,
    the_admin_of_the_flags_is_there_and_a_changed_password_is_followed,
    the_description_names_every_route,
}

async fn who_registers_can_log_in_and_see_the_account(data: Databases) {
    let users = Disk::new(data).start(&[]).await;
    json_of(users.register(ADA, PASSWORD).await, 202).await;

    let answer = users.log_in(ADA, PASSWORD).await;
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    let session = json_of(answer, 201).await;
    assert_eq!(session["token_type"], "Bearer");
    assert_eq!(session["expires_in"], 900);

    let me = json_of(
        users.me(session["token"].as_str().expect("text")).await,
        200,
    )
    .await;
    assert_eq!(
        (&me["email"], &me["role"]),
        (&json!(ADA), &json!("shopper"))
    );
    assert!(me["id"].as_str().is_some_and(|it| it.starts_with("u-")));
}

async fn an_address_that_is_taken_gets_the_same_answer_at_the_same_cost_and_changes_nothing(
    data: Databases,
) {
    let users = Disk::new(data).start(&[]).await;
    let first = json_of(users.register(ADA, PASSWORD).await, 202).await;
    assert_eq!(users.hasher.runs(), 1);
    for again in [ADA, "ada@SHOP.example"] {
        let before = users.hasher.runs();
        let second = users.register(again, "another password").await;
        assert_eq!(json_of(second, 202).await, first);
        assert_eq!(users.hasher.runs() - before, 1);
    }
    json_of(users.log_in("ADA@shop.example", PASSWORD).await, 201).await;
    json_of(users.log_in(ADA, "another password").await, 401).await;
}

async fn a_wrong_password_and_an_unknown_address_look_and_cost_the_same(data: Databases) {
    let users = Disk::new(data).start(&[]).await;
    json_of(users.register(ADA, PASSWORD).await, 202).await;
    let mut answers = Vec::new();
    for email in [ADA, "bob@shop.example", "nonsense", "bob\0@shop.example"] {
        let before = users.hasher.runs();
        let problem = json_of(users.log_in(email, "a wrong password").await, 401).await;
        assert_eq!(users.hasher.runs() - before, 1, "{email}");
        answers.push(problem["detail"].clone());
    }
    for answer in answers {
        assert_eq!(answer, "wrong e-mail address or password");
    }
}

async fn the_same_characters_are_the_same_however_they_are_composed(data: Databases) {
    let users = Disk::new(data).start(&[]).await;
    let (composed, apart) = ("Jörg@Shop.Example", "jo\u{308}rg@shop.example");
    let (password, typed) = ("Füße im Fjörd ", "Fu\u{308}ße\u{a0}im Fjo\u{308}rd\u{3000}");
    json_of(users.register(composed, password).await, 202).await;
    json_of(users.log_in(apart, typed).await, 201).await;
    json_of(users.register(apart, "another password").await, 202).await;
    let twin = users.log_in(apart, "another password");
    json_of(twin.await, 401).await;
    let session = json_of(users.log_in(composed, password).await, 201).await;
    let token = session["token"].as_str().expect("a token");
    let me = json_of(users.me(token).await, 200).await;
    assert_eq!(me["email"], composed, "as it was registered");
    for other in ["Füsse im Fjörd ", "füße im fjörd ", "Fuße im Fjörd "] {
        json_of(users.log_in(composed, other).await, 401).await;
    }
}

async fn credentials_that_break_a_rule_are_refused_before_anything_is_hashed(data: Databases) {
    let users = Disk::new(data).start(&[]).await;
    let long = "x".repeat(129);
    for (email, password) in [
        ("ada", PASSWORD),
        ("a@b@c", PASSWORD),
        (ADA, "11 letters!"),
        (ADA, &long),
    ] {
        json_of(users.register(email, password).await, 422).await;
    }
    json_of(users.post("/users", &json!({ "email": ADA })).await, 422).await;
    let admin = json!({ "email": ADA, "password": PASSWORD, "role": "admin" });
    json_of(users.post("/users", &admin).await, 422).await;
    assert_eq!(users.hasher.runs(), 0);
}

async fn when_all_who_may_wait_do_the_next_is_told_to_come_back(data: Databases) {
    let flags = ["--hash-concurrency=1", "--hash-queue=0"];
    let users = Disk::new(data).start(&flags).await;
    let crowd = (0..32).map(|it| users.register(if it == 0 { ADA } else { "b@c" }, PASSWORD));
    let mut refused = 0;
    for answer in join_all(crowd).await {
        if answer.status() != 202 {
            assert_eq!(answer.headers()[header::RETRY_AFTER], "1");
            json_of(answer, 503).await;
            refused += 1;
        }
    }
    assert!((1..32).contains(&refused), "{refused} of 32");
    json_of(users.register("c@d", PASSWORD).await, 202).await;
}

async fn the_admin_of_the_flags_is_there_and_a_changed_password_is_followed(data: Databases) {
    let disk = Disk::new(data);
    disk.write("password", "the first password\n");
    let file = format!("--admin-password-file={}", disk.path("password").display());
    let flags = ["--admin-email=root@shop.example", &file];
    let users = disk.start(&flags).await;
    let token = users.token("root@shop.example", "the first password").await;
    let me = json_of(users.me(&token).await, 200).await;
    assert_eq!(me["role"], "admin");

    disk.write("password", "the second password\n");
    let users = disk.start(&flags).await;
    let old = users.log_in("root@shop.example", "the first password");
    json_of(old.await, 401).await;
    let token = users.token("root@shop.example", "the second password");
    let same = json_of(users.me(&token.await).await, 200).await;
    assert_eq!(same, me, "it is the same account");

    let other = ["--admin-email=other@shop.example", &file];
    let users = disk.start(&other).await;
    let second = users.log_in("other@shop.example", "the second password");
    json_of(second.await, 401).await;
}

async fn the_description_names_every_route(data: Databases) {
    let users = Disk::new(data).start(&[]).await;
    let document = json_of(users.get("/openapi.json").await, 200).await;
    let paths: Vec<_> = document["paths"]
        .as_object()
        .expect("paths")
        .keys()
        .collect();
    assert_eq!(
        paths,
        ["/.well-known/jwks.json", "/sessions", "/users", "/users/me"]
    );
    let scheme = &document["components"]["securitySchemes"]["bearer"];
    assert_eq!(scheme["scheme"], "bearer");
}
