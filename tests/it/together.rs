//! OP-85: two gateways on one Postgres are one product. What a buyer or a member of staff does at one holds at the other:
//! sessions, codes, devices, picks, quotas, money, pauses, publications, and the limits of who tries too often.
//!
//! Nothing here asks how they tell each other. Where an answer depends on what a gateway has followed, the test says
//! within what time; where the database decides, it holds at once.

mod buyers;
mod limits;
mod openings;
mod picks;
mod staff;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::harness::{Api, Database, Home, Link, Plan, Redis, Sale, Server};

/// A gateway looks for other gateways' devices and entries four times a second, for publications twice; the rest is for
/// a busy machine.
const FOLLOWED: Duration = Duration::from_secs(5);

/// Two gateways.
struct Two {
    a: Server,
    b: Server,
    home: Home,
    redis: Option<Redis>,
}

impl Two {
    async fn start(with_redis: bool) -> Self {
        let redis = if with_redis { Some(Redis::alone().await) } else { None };
        let mut home = Home::new(Database::Postgres).await;
        if let Some(redis) = &redis {
            // A setting of the gateways for as long as the process runs.
            home.settings.push(("KAIPAN_REDIS_URLS", redis.url().leak()));
        }
        let a = home.serve().await;
        let b = home.serve_another().await.expect("Postgres takes a second gateway");
        Self { a, b, home, redis }
    }

    /// An opening that both know.
    async fn sale(&self, plan: &Plan) -> Sale {
        let sale = Sale::publish(&self.a, plan).await;
        let there = self.b.buyers();
        soon("the opening is published at the other", async || there.get(&sale.path("")).await.status == 200)
            .await;
        sale
    }

    /// The same with picks open at both.
    async fn live_sale(&self, plan: &Plan) -> Sale {
        let sale = self.sale(plan).await;
        sale.started().await;
        let there = self.b.buyers();
        soon("it starts at the other", async || there.get(&sale.path("")).await.ok()["phase"] == "live")
            .await;
        sale
    }

    async fn link_at_b(&self, sale: &Sale, token: &str) -> Link {
        Link::open(self.b.buyers_port, &sale.opening, Some(token)).await.unwrap()
    }
}

/// The same account at another gateway.
fn at(server: &Server, staff: &Api) -> Api {
    server.staff().with_token(staff.token().unwrap())
}

/// Asks until it is so, for as long as a gateway may take to follow.
async fn soon(what: &str, is_so: impl AsyncFnMut() -> bool) {
    within(FOLLOWED, what, is_so).await;
}

async fn within(limit: Duration, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < limit, "not after {limit:?}: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}
