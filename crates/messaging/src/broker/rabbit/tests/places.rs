//! The same server behind a door.

use testbed::Door;

use crate::{AmqpUrl, BrokerUrl, broker::place::Place};

fn amqp(url: &BrokerUrl) -> &AmqpUrl {
    match url {
        BrokerUrl::Rabbit(url) => url,
        other => unreachable!("{other:?} is not RabbitMQ's place"),
    }
}

/// An open door to the server of `url`.
pub(super) async fn door(url: &BrokerUrl) -> Door {
    let server = &amqp(url).uri.authority;
    let door = Door::new(&format!("{}:{}", server.host, server.port)).await;
    door.open().await;
    door
}

/// What `url` names, behind `door`.
pub(super) fn behind(door: &Door, url: &BrokerUrl) -> Place {
    let mut url = amqp(url).clone();
    url.uri.authority.host = door.address().ip().to_string();
    url.uri.authority.port = door.address().port();
    Place {
        url: BrokerUrl::Rabbit(url),
        data: tempfile::tempdir().unwrap(),
    }
}
