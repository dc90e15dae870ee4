//! Light tool calls and session writes over HTTP, alone and among 1,000 sessions; resident memory of those.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Found;
use crate::measure::{self, Figure, spread};
use crate::server::{Rpc, as_arguments, design, until_idle};
use crate::world::World;

/// Calls of each tool.
const CALLS: usize = 1500;
/// Sessions present.
const CROWD: usize = 1000;
/// Sessions created one after the other for the write figure.
const WRITES: usize = 300;
/// Hosts that begin a transport session and go away: five times as many as a door keeps.
const HOSTS: usize = 1280;
/// How many of them it keeps (`mcp/sessions.rs`).
const KEPT: usize = 256;
/// Connections that fill the server with sessions.
const FILLERS: usize = 4;

pub async fn measure() -> Found {
    let world = World::start().await;
    let mut rpc = Rpc::to(world.base());
    let components = design(19);
    let first = saved(&mut rpc, &components).await;
    until_idle(world.pid()).await;
    let mut found = Found::default();
    light(&world, &mut rpc, &first, 1, &mut found).await;

    let mut writes = Vec::new();
    for number in 0..WRITES {
        let arguments = json!({"title": format!("Customer {number}"), "target": "sandbox"});
        writes.push(rpc.timed("create_session", &arguments).await.1);
    }
    found.note(crate::server::medium(&world));
    let writes = spread(writes).expect("samples");
    found.figure("session write, fs store, durable, p99", Figure::Measured(writes.p99));
    found.note(format!(
        "session write: create_session over HTTP, {WRITES} one after the other, median {:.2} ms, slowest {:.2} ms",
        writes.p50, writes.max
    ));

    // those sessions get their design, and as many more come until the crowd is there
    let names: Vec<Value> = rpc_sessions(&mut rpc).await;
    let mut fillers = tokio::task::JoinSet::new();
    for lane in 0..FILLERS {
        let (mut rpc, components) = (Rpc::to(world.base()), components.clone());
        let mine: Vec<Value> = names.iter().skip(1).skip(lane).step_by(FILLERS).cloned().collect();
        fillers.spawn(async move {
            for name in mine {
                rpc.call("save_architecture", as_arguments(&name, &components)).await;
            }
            let more = (CROWD - WRITES - 1) / FILLERS + usize::from(lane < (CROWD - WRITES - 1) % FILLERS);
            for _ in 0..more {
                saved(&mut rpc, &components).await;
            }
        });
    }
    while let Some(filled) = fillers.join_next().await {
        filled.expect("the crowd comes");
    }
    let total = rpc.call("list_sessions", json!({"limit": 1})).await["total"].clone();
    assert_eq!(total, json!(CROWD));
    until_idle(world.pid()).await;
    let (cpu, wall) = light(&world, &mut rpc, &first, CROWD, &mut found).await;
    let mut host = Rpc::in_session(world.base()).await;
    found.note("the same within a transport session, as hosts before 2026-07-28 call:".to_owned());
    let within = light(&world, &mut host, &first, CROWD, &mut found).await;
    let (cpu, wall) = (cpu.max(within.0), wall.max(within.1));
    found.figure("light MCP tool call, server CPU", Figure::Measured(cpu));
    found.figure("light MCP tool call, wall p99", Figure::Measured(wall));
    until_idle(world.pid()).await;
    let resident = measure::resident(world.pid()).expect("running");
    found.figure("resident, 1,000 sessions of 19 components", Figure::Measured(resident));
    for _ in 0..HOSTS {
        Rpc::in_session(world.base()).await;
    }
    until_idle(world.pid()).await;
    let crowded = measure::resident(world.pid()).expect("running");
    let each = (crowded - resident) * 1024.0 / KEPT as f64;
    found.note(format!(
        "{HOSTS} hosts that shook hands and never said goodbye: {:.1} MiB more, {each:.0} KiB for each of the {KEPT} that are kept",
        crowded - resident
    ));
    found
}

/// The worst CPU and the worst p99 of the light tools.
async fn light(world: &World, rpc: &mut Rpc, session: &Value, present: usize, found: &mut Found) -> (f64, f64) {
    let rows =
        [("get_session", json!({ "session_id": session })), ("get_status", json!({ "session_id": session })), ("list_sessions", json!({}))];
    let (mut worst_cpu, mut worst_wall) = (0.0_f64, 0.0_f64);
    let mut words = Vec::new();
    for (tool, arguments) in &rows {
        for _ in 0..CALLS / 10 {
            rpc.timed(tool, arguments).await;
        }
        let before = measure::cpu_time_of(world.pid()).expect("running");
        let mut samples: Vec<Duration> = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            samples.push(rpc.timed(tool, arguments).await.1);
        }
        let used = measure::cpu_time_of(world.pid()).expect("running").saturating_sub(before);
        let (cpu, wall) = (used.as_secs_f64() * 1e3 / CALLS as f64, spread(samples).expect("samples"));
        worst_cpu = worst_cpu.max(cpu);
        worst_wall = worst_wall.max(wall.p99);
        words.push(format!("{tool} {cpu:.2} / {:.2} / {:.2}", wall.p50, wall.p99));
    }
    found.note(format!("light calls with {present} session(s), ms of CPU / median / p99: {}", words.join(", ")));
    (worst_cpu, worst_wall)
}

/// A new session with this design; its id.
async fn saved(rpc: &mut Rpc, components: &Value) -> Value {
    let session = rpc.call("create_session", json!({"title": "Platform", "target": "sandbox"})).await["session_id"].clone();
    rpc.call("save_architecture", as_arguments(&session, components)).await;
    session
}

async fn rpc_sessions(rpc: &mut Rpc) -> Vec<Value> {
    let mut names = Vec::new();
    let mut arguments = json!({"limit": 100});
    loop {
        let page = rpc.call("list_sessions", arguments).await;
        names.extend(page["sessions"].as_array().expect("a list").iter().map(|line| line["session_id"].clone()));
        if page["next_cursor"].is_null() {
            names.sort_by_key(Value::to_string);
            return names;
        }
        arguments = json!({"limit": 100, "cursor": page["next_cursor"]});
    }
}
