//! The project's configuration of Prometheus and Alertmanager, with the addresses of this run, and on its clock.
//!
//! What is written is JSON, which is YAML too.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde_json::{Value, json};
use slo::{files, scale};

/// How often a faster clock scrapes and evaluates: five samples in the shortest window.
const FAST_INTERVAL: &str = "1s";
/// How long a faster clock looks back for a sample.
const FAST_LOOKBACK: &str = "--query.lookback-delta=15s";
/// How often an alert that goes on is sent again; it ends by itself after four times that. What Prometheus evaluates before it has
/// found Alertmanager is told only then, which with its default of 1 m is long for somebody who waits for the dead man's switch.
const RESEND_DELAY: &str = "--rules.alert.resend-delay=15s";
const FAST_RESEND_DELAY: &str = "--rules.alert.resend-delay=2s";

/// What is different in each run.
pub(super) struct Settings<'a> {
    pub(super) dir: &'a Path,
    pub(super) discovery: &'a [PathBuf],
    pub(super) clock: f64,
    pub(super) prometheus: SocketAddr,
    pub(super) alertmanager: SocketAddr,
    pub(super) receiver: SocketAddr,
}

impl Settings<'_> {
    /// Writes `prometheus.yml`, `rules/` and `alertmanager.yml`.
    pub(super) fn write(&self) -> anyhow::Result<()> {
        let root = files::root();
        for path in files::timed(&root)? {
            let text = scale::scaled(&read(&root.join(&path))?, self.clock);
            let name = Path::new(&path).file_name().context("a file has a name")?;
            if path == files::ALERTMANAGER {
                let config = self.alertmanager(&text)?;
                write(&self.dir.join(name), &config.to_string())?;
            } else {
                write(&self.dir.join("rules").join(name), &text)?;
            }
        }
        let text = read(&root.join("observability/prometheus/prometheus.yml"))?;
        let config = self.prometheus(&text, &root)?;
        write(&self.dir.join("prometheus.yml"), &config.to_string())
    }

    pub(super) fn prometheus_flags(&self) -> Vec<String> {
        let mut flags = vec![
            format!("--config.file={}/prometheus.yml", self.dir.display()),
            format!("--storage.tsdb.path={}/data", self.dir.display()),
            format!("--web.listen-address={}", self.prometheus),
            "--enable-feature=exemplar-storage".to_owned(),
        ];
        if self.clock > 1.0 {
            flags.extend([FAST_LOOKBACK, FAST_RESEND_DELAY].map(str::to_owned));
        } else {
            flags.push(RESEND_DELAY.to_owned());
        }
        flags
    }

    pub(super) fn alertmanager_flags(&self) -> Vec<String> {
        vec![
            format!("--config.file={}/alertmanager.yml", self.dir.display()),
            format!("--storage.path={}/alertmanager", self.dir.display()),
            format!("--web.listen-address={}", self.alertmanager),
            // There is only one.
            "--cluster.listen-address=".to_owned(),
        ]
    }

    /// The scrape configuration, with other targets.
    fn prometheus(&self, text: &str, root: &Path) -> anyhow::Result<Value> {
        let mut config: Value = yaml_serde::from_str(text).context("read prometheus.yml")?;
        let pages = format!("file://{}/runbooks", root.display());
        config["global"]["external_labels"]["runbooks"] = pages.into();
        if self.clock > 1.0 {
            for key in ["scrape_interval", "evaluation_interval"] {
                config["global"][key] = FAST_INTERVAL.into();
            }
        }
        let at = |address: SocketAddr| json!([{ "targets": [address.to_string()] }]);
        let alerting = config["alerting"].as_object_mut();
        let alerting = alerting.context("prometheus.yml says nothing of alerting")?;
        alerting.insert(
            "alertmanagers".into(),
            json!([{ "static_configs": at(self.alertmanager) }]),
        );
        let jobs = config["scrape_configs"].as_array_mut();
        let jobs = jobs.context("prometheus.yml scrapes nothing")?;
        for job in jobs.iter_mut().filter_map(Value::as_object_mut) {
            match job.get("job_name").and_then(Value::as_str) {
                Some("windtunnel") => {
                    job.remove("dns_sd_configs");
                    let found = json!([{ "files": self.discovery, "refresh_interval": "1s" }]);
                    job.insert("file_sd_configs".into(), found);
                }
                Some("prometheus") => {
                    job.insert("static_configs".into(), at(self.prometheus));
                }
                Some("alertmanager") => {
                    job.insert("static_configs".into(), at(self.alertmanager));
                }
                other => {
                    anyhow::bail!("prometheus.yml has a job {other:?}, which is not known here")
                }
            }
        }
        jobs.push(json!({ "job_name": "loadtest", "static_configs": at(self.receiver) }));
        Ok(config)
    }

    /// The routes, with our receiver behind every webhook.
    fn alertmanager(&self, text: &str) -> anyhow::Result<Value> {
        let mut config: Value = yaml_serde::from_str(text).context("read alertmanager.yml")?;
        let receivers = config["receivers"].as_array_mut();
        let receivers = receivers.context("alertmanager.yml has no receivers")?;
        let hooks = receivers
            .iter_mut()
            .filter_map(|it| it["webhook_configs"].as_array_mut());
        for hook in hooks.flatten() {
            let url = hook["url"].as_str().context("a webhook has no address")?;
            let path = url.splitn(4, '/').nth(3).unwrap_or_default();
            hook["url"] = format!("http://{}/{path}", self.receiver).into();
        }
        Ok(config)
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    files::read(path)
        .context("the configuration is read from the repository that this was built in")
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().context("a file is in a folder")?;
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(dir: &Path, clock: f64) -> Settings<'_> {
        Settings {
            dir,
            discovery: &[],
            clock,
            prometheus: ([127, 0, 0, 1], 1).into(),
            alertmanager: ([127, 0, 0, 1], 2).into(),
            receiver: ([127, 0, 0, 1], 3).into(),
        }
    }

    #[test]
    fn no_address_of_the_containers_is_left_and_all_alerts_come_here() {
        let dir = tempfile::tempdir().unwrap();
        settings(dir.path(), 60.0).write().unwrap();
        let read = |name: &str| -> Value {
            let text = fs::read_to_string(dir.path().join(name)).unwrap();
            serde_json::from_str(&text).unwrap()
        };
        let prometheus = read("prometheus.yml");
        assert_eq!(prometheus["global"]["scrape_interval"], "1s");
        assert_eq!(prometheus["rule_files"], json!(["rules/*.yml"]));
        let text = prometheus.to_string();
        for container in ["dns_sd_configs", ":9090", ":9093", "receiver:"] {
            assert!(!text.contains(container), "{container} in {text}");
        }
        let alertmanager = read("alertmanager.yml");
        let receivers = alertmanager["receivers"].as_array().unwrap();
        for it in receivers {
            let url = it["webhook_configs"][0]["url"].as_str().unwrap();
            assert!(url.starts_with("http://127.0.0.1:3/"), "{url}");
        }
        assert!(dir.path().join("rules/alerts.yml").exists());
    }
}
