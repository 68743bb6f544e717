//! A name server that answers as a test wants it to.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use chassis::new_id;
use hickory_resolver::proto::{
    op::{Message, ResponseCode},
    rr::{RData, Record, RecordType},
};
use tokio::net::UdpSocket;

use crate::Address;

/// What it says of whatever name it is asked for.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// These addresses, with so many seconds to live.
    Records(Vec<IpAddr>, u32),
    /// No address, and this.
    Code(ResponseCode),
    /// Nothing.
    Silence,
}

pub(super) struct NameServer {
    /// A name that no other test asks for.
    pub(super) name: String,
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    answer: Answer,
    /// How often it was asked for A records.
    asked: u32,
}

impl NameServer {
    pub(super) async fn start(answer: Answer) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { answer, asked: 0 }));
        tokio::spawn(serve(socket, Arc::clone(&state)));
        Self {
            name: new_id("replicas"),
            address,
            state,
        }
    }

    /// Replicas that this server knows, on `port`.
    pub(super) fn url(&self, port: u16) -> Address {
        let url = format!("dns://{}:{port}?resolver={}", self.name, self.address);
        url.parse().unwrap()
    }

    pub(super) fn say(&self, answer: Answer) {
        self.state.lock().unwrap().answer = answer;
    }

    pub(super) fn asked(&self) -> u32 {
        self.state.lock().unwrap().asked
    }
}

async fn serve(socket: UdpSocket, state: Arc<Mutex<State>>) {
    let mut buffer = [0; 4096];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        let question = Message::from_vec(&buffer[..length]).unwrap();
        let answer = {
            let mut state = state.lock().unwrap();
            state.asked += u32::from(question.queries[0].query_type() == RecordType::A);
            state.answer.clone()
        };
        if let Some(message) = answer.to(question) {
            let bytes = message.to_vec().unwrap();
            socket.send_to(&bytes, from).await.unwrap();
        }
    }
}

impl Answer {
    fn to(self, question: Message) -> Option<Message> {
        let query = question.queries[0].clone();
        let mut message = question.into_response();
        match self {
            Self::Silence => return None,
            Self::Code(code) => message.metadata.response_code = code,
            Self::Records(addresses, ttl) => {
                let records = addresses.into_iter().map(RData::from);
                let records = records.filter(|it| it.record_type() == query.query_type());
                let name = query.name();
                message.add_answers(records.map(|it| Record::from_rdata(name.clone(), ttl, it)));
            }
        }
        Some(message)
    }
}
