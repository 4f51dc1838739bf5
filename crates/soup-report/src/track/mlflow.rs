//! An MLflow server, by its REST API (2.0).
//!
//! A run of ours becomes one run there, its settings parameters, its figures metrics such as
//! `fold0/valid/loss` with the epoch as their step. What the server has is asked first and only the rest
//! is sent, so the same call goes on with a run that was trained further.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use soup_train::{
    config::compare::flatten,
    runs::{RunDirectory, log::timestamp},
};
use ureq::Agent;

use super::{begun, figures, timed};
use crate::Run;

/// Experiment of runs where no other is named.
pub const EXPERIMENT: &str = "soup";
/// Metrics that a request may hold are 1000, and parameters 100; an epoch is sent whole.
const EPOCHS_A_REQUEST: usize = 64;
const PARAMETERS_A_REQUEST: usize = 100;
/// Longest value of a parameter that every server takes.
const LONGEST_VALUE: usize = 500;
/// Says which of our runs it is.
const TAG: &str = "soup.run";

/// Why a server did not take a run.
#[derive(Debug, thiserror::Error)]
pub enum TrackError {
    /// An address that cannot be asked.
    #[error(
        "{url} is no address of an MLflow server: it must begin with http:// (TLS is not spoken; a proxy or ssh -L can)"
    )]
    Address {
        /// The address.
        url: String,
    },
    /// No answer.
    #[error("{url}: no MLflow server answers: {problem}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// What the system said.
        problem: String,
    },
    /// The server answers something else.
    #[error("{url}: the server refuses with status {status}: {message}")]
    Refused {
        /// What was asked.
        url: String,
        /// HTTP status.
        status: u16,
        /// What it said.
        message: String,
    },
    /// The run cannot be read.
    #[error(transparent)]
    Run(#[from] soup_train::Error),
}

/// What was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The id of the server's run.
    pub run_id: String,
    /// Epochs that the server did not have, over all folds.
    pub epochs: usize,
}

struct Server {
    agent: Agent,
    url: String,
}

/// Brings a run to the server at `url`, into this experiment.
///
/// # Errors
/// Every variant of [`TrackError`].
pub fn send(run: &Run, url: &str, experiment: &str) -> Result<Sent, TrackError> {
    let server = Server::at(url)?;
    let directory = RunDirectory::at(&run.path);
    let mut folds = Vec::new();
    for fold in run.begun() {
        folds.push((fold, begun(directory.fold(fold).root())?));
    }
    let first = folds.iter().map(|of| of.1).min().unwrap_or(UNIX_EPOCH);
    let whole = run.path.canonicalize().unwrap_or_else(|_| run.path.clone());
    // A run that was thrown away and begun anew in the same folder is another one.
    let identity = format!("{} begun {}", whole.display(), timestamp(first)).replace('\'', "_");
    let experiment = server.experiment(experiment)?;
    let run_id = match server.find(&experiment, &identity)? {
        Some(run_id) => run_id,
        None => server.create(run, &experiment, &identity, first)?,
    };
    let (mut epochs, mut last) = (0, first);
    for (fold, begun) in folds {
        let known = server.epochs(&run_id, fold)?;
        let records: Vec<_> = run.of_fold(fold).cloned().collect();
        let records = timed(&records, begun);
        last = records.iter().map(|of| of.0).fold(last, SystemTime::max);
        let missing: Vec<_> = (records.into_iter())
            .filter(|(_, record)| !known.contains(&(record.epoch as u64)))
            .collect();
        for part in missing.chunks(EPOCHS_A_REQUEST) {
            let metrics = part.iter().flat_map(|(moment, record)| {
                figures(record).into_iter().map(move |(name, value)| {
                    let key = format!("fold{fold}/{name}");
                    json!({"key": key, "value": value, "timestamp": millis(*moment), "step": record.epoch})
                })
            });
            let metrics: Vec<Value> = metrics.collect();
            server.post(
                "runs/log-batch",
                &json!({"run_id": run_id, "metrics": metrics}),
            )?;
        }
        epochs += missing.len();
    }
    let ended = !run.trained.is_empty() && run.begun() == run.trained;
    let update = match ended {
        true => json!({"run_id": run_id, "status": "FINISHED", "end_time": millis(last)}),
        false => json!({"run_id": run_id, "status": "RUNNING"}),
    };
    server.post("runs/update", &update)?;
    Ok(Sent { run_id, epochs })
}

fn millis(moment: SystemTime) -> u64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Server {
    fn at(url: &str) -> Result<Self, TrackError> {
        if !url.starts_with("http://") {
            let url = url.to_owned();
            return Err(TrackError::Address { url });
        }
        let config = Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(60)))
            .http_status_as_error(false)
            .build();
        Ok(Self {
            agent: config.into(),
            url: format!("{}/api/2.0/mlflow", url.trim_end_matches('/')),
        })
    }

    fn get(&self, call: &str, query: &[(&str, &str)]) -> Result<Value, TrackError> {
        let url = format!("{}/{call}", self.url);
        let request = self.agent.get(&url).query_pairs(query.iter().copied());
        answer(&url, request.call())
    }

    fn post(&self, call: &str, body: &Value) -> Result<Value, TrackError> {
        let url = format!("{}/{call}", self.url);
        answer(&url, self.agent.post(&url).send_json(body))
    }

    /// The id of the experiment with this name, made where there is none.
    fn experiment(&self, name: &str) -> Result<String, TrackError> {
        match self.get("experiments/get-by-name", &[("experiment_name", name)]) {
            Ok(found) => Ok(text(&found["experiment"]["experiment_id"])),
            Err(TrackError::Refused { status: 404, .. }) => {
                let made = self.post("experiments/create", &json!({"name": name}))?;
                Ok(text(&made["experiment_id"]))
            }
            Err(error) => Err(error),
        }
    }

    /// The run that was made for ours earlier.
    fn find(&self, experiment: &str, identity: &str) -> Result<Option<String>, TrackError> {
        let found = self.post(
            "runs/search",
            &json!({
                "experiment_ids": [experiment],
                "filter": format!("tags.\"{TAG}\" = '{identity}'"),
                "max_results": 1,
            }),
        )?;
        let run_id = found["runs"][0]["info"]["run_id"].as_str();
        Ok(run_id.map(str::to_owned))
    }

    fn create(
        &self,
        run: &Run,
        experiment: &str,
        identity: &str,
        begun: SystemTime,
    ) -> Result<String, TrackError> {
        let made = self.post(
            "runs/create",
            &json!({
                "experiment_id": experiment,
                "run_name": run.name,
                "start_time": millis(begun),
                "tags": [{"key": TAG, "value": identity}],
            }),
        )?;
        let run_id = text(&made["run"]["info"]["run_id"]);
        let settings = flatten(&run.config.to_table());
        let parameters: Vec<Value> = (settings.iter())
            // `transforms[1].p` is `transforms.1.p` on our command line; brackets are not allowed there.
            .map(|(key, value)| (key.replace('[', ".").replace(']', ""), value))
            .map(|(key, value)| json!({"key": key, "value": value.chars().take(LONGEST_VALUE).collect::<String>()}))
            .collect();
        for part in parameters.chunks(PARAMETERS_A_REQUEST) {
            self.post("runs/log-batch", &json!({"run_id": run_id, "params": part}))?;
        }
        Ok(run_id)
    }

    /// The epochs of a fold that the server has.
    fn epochs(&self, run_id: &str, fold: usize) -> Result<Vec<u64>, TrackError> {
        let key = format!("fold{fold}/step");
        let history = self.get(
            "metrics/get-history",
            &[("run_id", run_id), ("metric_key", &key)],
        )?;
        let metrics = history["metrics"].as_array().map_or(&[][..], Vec::as_slice);
        // Numbers of 64 bits may come as text.
        let step = |metric: &Value| {
            let step = &metric["step"];
            step.as_u64().or_else(|| step.as_str()?.parse().ok())
        };
        Ok(metrics.iter().filter_map(step).collect())
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn answer(
    url: &str,
    response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Value, TrackError> {
    let unreachable = |error: ureq::Error| TrackError::Unreachable {
        url: url.to_owned(),
        problem: error.to_string(),
    };
    let mut response = response.map_err(unreachable)?;
    let status = response.status();
    let body = response.body_mut().read_to_string().map_err(unreachable)?;
    let value: Option<Value> = serde_json::from_str(&body).ok();
    match (status.is_success(), value) {
        (true, Some(value)) => Ok(value),
        (_, value) => {
            let said = value.as_ref().and_then(|value| value["message"].as_str());
            let message = said.unwrap_or("the answer is not that of MLflow's REST API");
            Err(TrackError::Refused {
                url: url.to_owned(),
                status: status.as_u16(),
                message: message.to_owned(),
            })
        }
    }
}
