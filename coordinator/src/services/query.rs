//! Questions about what was found.

use super::{
    access::{AccountFilter, KeyFilter, SettingFilter, WindowFilter},
    files,
    findings::{LoginFilter, PackageFilter},
    scope, summary,
};
use crate::{
    cluster::Cluster,
    counted::Counted,
    error, resolve,
    stream::{self, Answer},
};
use coldread_model::{CoverageClass, FoundRefs, Part, RowsRef, SnapshotManifest, SystemIdentity, rows::Row};
use coldread_proto::{
    Message, ServiceError,
    v1::{self, query_server::Query},
};
use coldread_store::{Snapshot, Store};
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};
use tonic::{Request, Response, Status};

/// The service over a cluster's store.
#[derive(Debug)]
pub(crate) struct QueryService(pub(crate) Arc<Cluster>);

impl QueryService {
    fn store(&self) -> Arc<Store> {
        Arc::clone(&self.0.store)
    }
}

/// Streams the rows of one kind that are wanted, of each snapshot in scope.
fn found<T: Row, R: Message + 'static, B: Send + 'static>(
    store: Arc<Store>,
    scope: Option<v1::Scope>,
    wrap: fn(Vec<R>) -> B,
    batches: fn(&FoundRefs) -> &[RowsRef],
    wants: impl Fn(&T) -> bool + Send + 'static,
    message: fn(&str, T) -> R,
) -> Answer<B> {
    stream::rows(wrap, move |out| {
        scope::each(&store, scope, |snapshot| {
            for row in store.rows(batches(&snapshot.manifest.found).iter().copied()) {
                let row = row.map_err(error::of_store)?;
                if wants(&row) {
                    out.push(message(&snapshot.manifest.asset, row))?;
                }
            }
            Ok(())
        })
    })
}

fn asset(snapshot: &Snapshot) -> v1::Asset {
    let manifest = &snapshot.manifest;
    let counted = Counted::of(manifest);
    v1::Asset {
        asset: manifest.asset.clone(),
        account: manifest.account.clone(),
        snapshot: snapshot.head.manifest.to_string(),
        system: manifest.system.pretty_name.clone(),
        hostname: manifest.system.hostname.clone(),
        source: manifest.source.location.clone(),
        size: manifest.source.size,
        volumes: manifest.volumes.len() as u64,
        files: counted.files,
        packages: counted.packages,
        logins: counted.logins,
        failed_logins: counted.failed_logins,
        gaps: manifest.counts.gaps,
        identity: None,
        only: String::new(),
    }
}

/// An asset with its system, as lists have it.
fn listed(snapshot: &Snapshot) -> v1::Asset {
    let system = SystemIdentity { kernels: Vec::new(), ..snapshot.manifest.system.clone() };
    v1::Asset { identity: Some(system.into()), only: only(&snapshot.manifest), ..asset(snapshot) }
}

fn detail(store: &Store, snapshot: &Snapshot) -> Result<v1::AssetDetail, ServiceError> {
    let manifest = &snapshot.manifest;
    let mut totals: BTreeMap<CoverageClass, u64> = BTreeMap::new();
    for range in store.ledger(manifest).map_err(error::of_store)?.ranges() {
        *totals.entry(range.class).or_default() += range.range.len;
    }
    let totals = totals.into_iter();
    let counted = Counted::of(manifest).files.is_some();
    let volumes = manifest.volumes.iter().map(v1::Volume::from);
    let volumes = volumes.map(|volume| v1::Volume { files: volume.files.filter(|_| counted), ..volume });
    Ok(v1::AssetDetail {
        asset: Some(asset(snapshot)),
        tool_version: manifest.tool_version.clone(),
        container: manifest.source.container.clone(),
        table_id: manifest.source.table_id.clone(),
        volume_ids: manifest.source.volume_ids.clone(),
        metadata_digest: manifest.source.metadata_digest.to_string(),
        hashed: manifest.hashed,
        system: Some(manifest.system.clone().into()),
        volumes: volumes.collect(),
        coverage: totals
            .map(|(class, bytes)| v1::CoverageTotal { class: class.name().to_owned(), bytes })
            .collect(),
        only: only(manifest),
    })
}

/// The words for what a scan was asked for, separated by commas, unless that was everything.
fn only(manifest: &SnapshotManifest) -> String {
    manifest.asked.only().map(Part::name).collect::<Vec<_>>().join(",")
}

#[tonic::async_trait]
impl Query for QueryService {
    type AssetsStream = Answer<v1::AssetBatch>;

    async fn assets(
        &self,
        request: Request<v1::AssetsRequest>,
    ) -> Result<Response<Self::AssetsStream>, Status> {
        let (request, store) = (request.into_inner(), self.store());
        let answer = stream::rows(
            |assets| v1::AssetBatch { assets },
            move |out| {
                scope::each(&store, request.scope, |snapshot| {
                    let asked = snapshot.manifest.asked;
                    let lacks = |part: &Part| part.name() == request.lacking && !asked.contains(*part);
                    let is_wanted = request.lacking.is_empty() || Part::ALL.iter().any(lacks);
                    if is_wanted { out.push(listed(&snapshot)) } else { Ok(()) }
                })
            },
        );
        Ok(Response::new(answer))
    }

    type SnapshotsStream = Answer<v1::SnapshotBatch>;

    async fn snapshots(
        &self,
        request: Request<v1::SnapshotsRequest>,
    ) -> Result<Response<Self::SnapshotsStream>, Status> {
        let (request, store) = (request.into_inner(), self.store());
        let answer = stream::rows(
            |snapshots| v1::SnapshotBatch { snapshots },
            move |out| {
                let scope = request.scope.unwrap_or_default();
                let prefix = scope.snapshot.to_ascii_lowercase();
                scope::each_asset(&store, &scope.asset, |asset| {
                    // Scans with equal results are one snapshot, told where it was found last.
                    let mut told = HashSet::new();
                    for head in store.snapshots(asset).map_err(error::of_store)? {
                        let snapshot = head.manifest.to_string();
                        if !snapshot.starts_with(&prefix) || !told.insert(head.manifest) {
                            continue;
                        }
                        let manifest = store.manifest(head.manifest).map_err(error::of_store)?;
                        out.push(v1::Snapshot {
                            files: Counted::of(&manifest).files,
                            only: only(&manifest),
                            asset: manifest.asset,
                            snapshot,
                            committed: Some(head.committed_at.into()),
                            tool_version: manifest.tool_version,
                            source: manifest.source.location,
                            size: manifest.source.size,
                            gaps: manifest.counts.gaps,
                            hashed: manifest.hashed,
                        })?;
                    }
                    Ok(())
                })
            },
        );
        Ok(Response::new(answer))
    }

    async fn show_asset(
        &self,
        request: Request<v1::ShowAssetRequest>,
    ) -> Result<Response<v1::AssetDetail>, Status> {
        let (request, store) = (request.into_inner(), self.store());
        let answer = error::blocking(move || {
            let snapshot = scope::one(&store, &request.asset, &request.snapshot)?;
            detail(&store, &snapshot)
        });
        Ok(Response::new(answer.await?))
    }

    type PackagesStream = Answer<v1::PackageBatch>;

    async fn packages(
        &self,
        request: Request<v1::PackagesRequest>,
    ) -> Result<Response<Self::PackagesStream>, Status> {
        let (request, store) = (request.into_inner(), self.store());
        let filter = PackageFilter::new(&request)?;
        Ok(Response::new(found(
            store,
            request.scope,
            |packages| v1::PackageBatch { packages },
            |found| &found.packages,
            move |package| filter.wants(package),
            v1::Package::from_model,
        )))
    }

    type LoginsStream = Answer<v1::LoginBatch>;

    async fn logins(
        &self,
        request: Request<v1::LoginsRequest>,
    ) -> Result<Response<Self::LoginsStream>, Status> {
        let (request, store) = (request.into_inner(), self.store());
        let filter = LoginFilter::new(&request)?;
        let answer = stream::rows(
            |logins| v1::LoginBatch { logins },
            move |out| {
                scope::each(&store, request.scope, |snapshot| {
                    for login in store.logins(&snapshot.manifest, filter.since, filter.until) {
                        let login = login.map_err(error::of_store)?;
                        if filter.wants(&login) {
                            out.push(v1::Login::from_model(&snapshot.manifest.asset, login))?;
                        }
                    }
                    Ok(())
                })
            },
        );
        Ok(Response::new(answer))
    }

    type SumUpLoginsStream = Answer<v1::UserLoginsBatch>;

    async fn sum_up_logins(
        &self,
        request: Request<v1::SumUpLoginsRequest>,
    ) -> Result<Response<Self::SumUpLoginsStream>, Status> {
        let (request, store) = (request.into_inner(), self.store());
        let question = summary::Question::new(&request)?;
        let answer = stream::rows(
            |users| v1::UserLoginsBatch { users },
            move |out| {
                scope::each(&store, request.scope, |snapshot| {
                    question.answer(&store, &snapshot.manifest, |row| out.push(row))
                })
            },
        );
        Ok(Response::new(answer))
    }

    type LogWindowsStream = Answer<v1::LogWindowBatch>;

    async fn log_windows(
        &self,
        request: Request<v1::LogWindowsRequest>,
    ) -> Result<Response<Self::LogWindowsStream>, Status> {
        let (request, store) = (request.into_inner(), self.store());
        let filter = WindowFilter::new(&request)?;
        Ok(Response::new(found(
            store,
            request.scope,
            |windows| v1::LogWindowBatch { windows },
            |found| &found.windows,
            move |window| filter.wants(window),
            v1::LogWindow::from_model,
        )))
    }

    type AccountsStream = Answer<v1::AccountBatch>;

    async fn accounts(
        &self,
        request: Request<v1::AccountsRequest>,
    ) -> Result<Response<Self::AccountsStream>, Status> {
        let (request, store) = (request.into_inner(), self.store());
        let filter = AccountFilter::new(&request)?;
        Ok(Response::new(found(
            store,
            request.scope,
            |accounts| v1::AccountBatch { accounts },
            |found| &found.accounts,
            move |account| filter.wants(account),
            v1::Account::from_model,
        )))
    }

    type KeysStream = Answer<v1::KeyBatch>;

    async fn keys(&self, request: Request<v1::KeysRequest>) -> Result<Response<Self::KeysStream>, Status> {
        let (request, store) = (request.into_inner(), self.store());
        let filter = KeyFilter::new(&request)?;
        Ok(Response::new(found(
            store,
            request.scope,
            |keys| v1::KeyBatch { keys },
            |found| &found.keys,
            move |key| filter.wants(key),
            v1::Key::from_model,
        )))
    }

    type SettingsStream = Answer<v1::SettingBatch>;

    async fn settings(
        &self,
        request: Request<v1::SettingsRequest>,
    ) -> Result<Response<Self::SettingsStream>, Status> {
        let (request, store) = (request.into_inner(), self.store());
        let filter = SettingFilter::new(&request)?;
        Ok(Response::new(found(
            store,
            request.scope,
            |settings| v1::SettingBatch { settings },
            |found| &found.settings,
            move |setting| filter.wants(setting),
            v1::Setting::from_model,
        )))
    }

    type FilesStream = Answer<v1::FileBatch>;

    async fn files(&self, request: Request<v1::FilesRequest>) -> Result<Response<Self::FilesStream>, Status> {
        let (request, store) = (request.into_inner(), self.store());
        let question = files::Question::new(&request)?;
        let answer = stream::rows(
            |files| v1::FileBatch { files },
            move |out| {
                let mut volume = None;
                scope::each(&store, request.scope, |snapshot| {
                    let has = question.is_about(&snapshot.manifest);
                    volume = Some(has || volume == Some(true));
                    question.answer(&store, &snapshot, |file| out.push(file.into()))
                })?;
                // A volume that none has is as little an empty answer as an asset that is not there.
                if volume == Some(false) { Err(question.no_volume()) } else { Ok(()) }
            },
        );
        Ok(Response::new(answer))
    }

    type CoverageStream = Answer<v1::CoverageBatch>;

    async fn coverage(
        &self,
        request: Request<v1::CoverageRequest>,
    ) -> Result<Response<Self::CoverageStream>, Status> {
        let (request, store) = (request.into_inner(), self.store());
        let answer = stream::rows(
            |rows| v1::CoverageBatch { rows },
            move |out| {
                scope::each(&store, request.scope, |snapshot| {
                    let ledger = store.ledger(&snapshot.manifest).map_err(error::of_store)?;
                    let asset = &snapshot.manifest.asset;
                    let mut ranges = ledger.ranges().iter();
                    ranges.try_for_each(|range| out.push(v1::CoverageRow::from_model(asset, range)))
                })
            },
        );
        Ok(Response::new(answer))
    }

    type GapsStream = Answer<v1::GapBatch>;

    async fn gaps(&self, request: Request<v1::GapsRequest>) -> Result<Response<Self::GapsStream>, Status> {
        let (request, store) = (request.into_inner(), self.store());
        let answer = stream::rows(
            |gaps| v1::GapBatch { gaps },
            move |out| {
                scope::each(&store, request.scope, |snapshot| {
                    let gaps = store.gaps(&snapshot.manifest).map_err(error::of_store)?;
                    let asset = &snapshot.manifest.asset;
                    gaps.into_iter().try_for_each(|gap| out.push(v1::Gap::from_model(asset, gap)))
                })
            },
        );
        Ok(Response::new(answer))
    }

    type ReadFileStream = Answer<v1::FileBytes>;

    async fn read_file(
        &self,
        request: Request<v1::ReadFileRequest>,
    ) -> Result<Response<Self::ReadFileStream>, Status> {
        let (request, store) = (request.into_inner(), self.store());
        let input = error::blocking(move || {
            let snapshot = scope::one(&store, &request.asset, &request.snapshot)?;
            resolve::read_task(&store, &snapshot.manifest, &request)
        });
        let pieces = self.0.read(input.await?);
        Ok(Response::new(Answer::new(pieces)))
    }
}
