//! Numbers the controllers obey. Read from nowhere: `config.rs` makes them, tests make their own.

use std::time::Duration;

use crate::api::Time;
use crate::api::design::ApprovalPolicy;
use crate::api::terraformjob::Action;
use crate::validator::Defaults;

/// Settings of all controllers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// most Terraform processes at once in the whole server
    pub max_terraform: usize,
    /// how long a plan may be applied
    pub plan_ttl: Duration,
    /// seconds between drift checks of designs that say nothing of it; None: only on request
    pub drift_interval: Option<u64>,
    /// the loosest approval policy this server accepts; a design may only be stricter
    pub min_approval: ApprovalPolicy,
    /// region, compartment and language when a design names none
    pub defaults: Defaults,
    /// from SIGINT to SIGKILL when a person cancels
    pub cancel_grace: Duration,
    /// how long a shutdown waits for Terraform after SIGINT
    pub shutdown_grace: Duration,
    /// longest run of an apply or destroy; then it is stopped as by a person who cancels
    pub job_time_limit: Duration,
    /// longest run of a plan or refresh
    pub look_time_limit: Duration,
    /// when this server started; None: overdue drift checks are made at once
    pub started: Option<Time>,
    /// jobs kept per design
    pub job_retention: usize,
    /// how long consumed and refused approvals are kept
    pub approval_retention: Duration,
    /// first back-off after a failure that goes away by itself
    pub backoff_base: Duration,
    /// longest back-off
    pub backoff_cap: Duration,
    /// reconciles of one kind at once
    pub concurrency: u16,
    /// how often the progress of a job is written
    pub progress_interval: Duration,
    /// how long a gate may be held by a document that does not exist
    pub gate_grace: Duration,
    /// how often a supplied secret that is missing is looked for
    pub secret_poll: Duration,
}

impl Settings {
    /// What a server on one machine uses.
    pub fn new(defaults: Defaults) -> Self {
        Settings {
            // terraform and its provider need several hundred MB each; the product has 2 GB
            max_terraform: 2,
            plan_ttl: Duration::from_secs(3600),
            // drift in a pre-sales tenancy is made by people at a console, and a refresh costs an API call per resource
            drift_interval: Some(3600),
            min_approval: ApprovalPolicy::Auto,
            defaults,
            // a database takes many minutes to make; killing it half way leaks it
            cancel_grace: Duration::from_secs(600),
            // Container Instances and Kubernetes give 30 s
            shutdown_grace: Duration::from_secs(25),
            // an Exadata or a large database system takes hours; what takes longer hangs
            job_time_limit: Duration::from_secs(4 * 3600),
            // a refresh of 1,000 resources at 10 requests a second takes minutes
            look_time_limit: Duration::from_secs(1800),
            started: None,
            job_retention: 10,
            approval_retention: Duration::from_secs(30 * 24 * 3600),
            backoff_base: Duration::from_secs(15),
            backoff_cap: Duration::from_secs(900),
            // a reconcile is a millisecond of CPU; more than this only queues for the two cores
            concurrency: 8,
            progress_interval: Duration::from_millis(500),
            gate_grace: Duration::from_secs(10),
            secret_poll: Duration::from_secs(30),
        }
    }

    /// Longest run of a job.
    pub fn time_limit(&self, action: Action) -> Duration {
        if action.changes_the_cloud() { self.job_time_limit } else { self.look_time_limit.min(self.job_time_limit) }
    }
}
