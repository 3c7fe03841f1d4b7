//! What workers say. Nothing that comes in here is believed before it is checked.

use crate::{
    cluster::{Cluster, Job},
    error,
    leases::{Lease, TaskId},
    limits, spool,
    stream::{self, Answer},
};
use bytes::Bytes;
use coldread_model::{ObjectKind, codec};
use coldread_proto::{
    MAX_PIECE_BYTES, ServiceError,
    v1::{
        CompleteRequest, CompleteResponse, FailRequest, FailResponse, GetInputRequest, GetKeptRequest,
        GetOutputRequest, HaveRequest, HaveResponse, KeptPiece, LeaseKey, LeaseRequest, LeaseResponse,
        LeasedTask, Object, OutputPiece, PutObjectsRequest, PutObjectsResponse, PutOutputRequest,
        PutOutputResponse, RegisterRequest, RegisterResponse, RenewRequest, RenewResponse, work_server::Work,
    },
};
use coldread_store::Packed;
use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};
use tonic::{Request, Response, Status, Streaming};

/// The service over a cluster.
#[derive(Debug)]
pub(crate) struct WorkService {
    cluster: Arc<Cluster>,
    /// Whether its workers are threads of this process: then their objects are not unpacked again to see
    /// whether they are what their names say. Readers verify that each time anyway.
    own: bool,
}

fn lease_of(key: Option<LeaseKey>) -> Result<Lease, ServiceError> {
    let key = key.ok_or_else(|| ServiceError::Invalid("no lease is named".to_owned()))?;
    let number = key.task_id.parse().map(TaskId);
    let task = number
        .map_err(|_| ServiceError::Invalid(format!("{:?} is not a task", limits::cut(&key.task_id))))?;
    Ok(Lease { task, worker: key.worker_id, epoch: key.epoch })
}

/// The scan that a lease is about; a reading has no objects and no outputs but its result.
fn scan_of(job: Job) -> Result<Arc<crate::scan::Scan>, ServiceError> {
    match job {
        Job::Scan(scan, _) => Ok(scan),
        Job::Read(_) => Err(ServiceError::Invalid("a read task sends nothing but its result".to_owned())),
    }
}

/// Whether workers make objects of a kind. Manifests, heads and what belongs to them are the commit's own: a head that
/// a worker had slipped into a pack would be a snapshot as soon as the index was rebuilt from the packs.
const fn is_of_workers(kind: ObjectKind) -> bool {
    match kind {
        ObjectKind::ListingStable
        | ObjectKind::ListingVolatile
        | ObjectKind::ListingDigests
        | ObjectKind::PackageSet
        | ObjectKind::LoginBatch
        | ObjectKind::LogWindows
        | ObjectKind::Accounts
        | ObjectKind::Keys
        | ObjectKind::Settings
        | ObjectKind::Kept => true,
        ObjectKind::Coverage
        | ObjectKind::Gaps
        | ObjectKind::Manifest
        | ObjectKind::Head
        | ObjectKind::VolumeSpecs => false,
    }
}

/// Verifies an object, unless it is our `own`, and takes it apart.
fn packed(object: Object, own: bool) -> Result<Packed, ServiceError> {
    let (id, kind) = (object.object_id()?, object.object_kind()?);
    if !is_of_workers(kind) {
        return Err(ServiceError::Invalid(format!("object {id}: a worker has no {kind:?} to send")));
    }
    let raw_len = u32::try_from(object.raw_len)
        .map_err(|_| ServiceError::Limit(format!("object {id}: {} bytes", object.raw_len)))?;
    let taken = if own { Packed::trusted } else { Packed::received };
    taken(id, kind, raw_len, object.compressed.into()).map_err(error::of_store)
}

/// Sends bytes in pieces, on a task of its own.
fn pieces(bytes: Bytes) -> Answer<OutputPiece> {
    let (sender, receiver) = mpsc::channel(2);
    tokio::spawn(async move {
        let mut rest = bytes;
        while !rest.is_empty() {
            let data = rest.split_to(rest.len().min(MAX_PIECE_BYTES));
            if sender.send(Ok(OutputPiece { data })).await.is_err() {
                return;
            }
        }
    });
    Answer::new(receiver)
}

impl WorkService {
    /// For workers who come in over the network.
    pub(crate) fn for_anybody(cluster: Arc<Cluster>) -> Self {
        Self { cluster, own: false }
    }

    /// For the worker in this process.
    pub(crate) fn for_own_worker(cluster: Arc<Cluster>) -> Self {
        Self { cluster, own: true }
    }

    /// Passes a read task's result on.
    async fn pass(
        &self,
        reading: &crate::reading::Reading,
        first: PutOutputRequest,
        rest: &mut Streaming<PutOutputRequest>,
    ) -> Result<(), Status> {
        let size = first.size;
        let mut piece = Some(first);
        while let Some(message) = piece {
            reading.pass(size, message.data).await?;
            piece = rest.message().await?;
        }
        Ok(())
    }

    /// Writes an output to the spool.
    async fn spool(
        &self,
        scan: &crate::scan::Scan,
        lease: &Lease,
        first: PutOutputRequest,
        rest: &mut Streaming<PutOutputRequest>,
    ) -> Result<(), Status> {
        let name = if first.name.is_empty() { Cluster::attempt_name(lease) } else { first.name.clone() };
        let (file, path) = scan.spool.incoming()?.into_parts();
        let mut file = tokio::fs::File::from_std(file);
        let mut size = 0_u64;
        let mut piece = Some(first);
        while let Some(message) = piece {
            size = size.saturating_add(message.data.len() as u64);
            if size > limits::MAX_OUTPUT_BYTES {
                return Err(ServiceError::Limit(format!(
                    "an output of over {} bytes",
                    limits::MAX_OUTPUT_BYTES
                ))
                .into());
            }
            file.write_all(&message.data).await.map_err(error::of_spool(&path))?;
            piece = rest.message().await?;
            // Whoever has lost the lease need not send the rest.
            self.cluster.job(lease)?;
        }
        file.flush().await.map_err(error::of_spool(&path))?;
        drop(file.into_std().await);
        Ok(self.cluster.keep(lease, path, &name)?)
    }
}

#[tonic::async_trait]
impl Work for WorkService {
    async fn register(
        &self,
        request: Request<RegisterRequest>,
    ) -> Result<Response<RegisterResponse>, Status> {
        let request = request.into_inner();
        let ours = env!("CARGO_PKG_VERSION");
        if request.version != ours {
            let theirs = limits::cut(&request.version);
            let reason = format!("the worker is version {theirs}, the coordinator {ours}: use the same");
            return Err(ServiceError::Invalid(reason).into());
        }
        let worker_id = self.cluster.register(limits::cut(&request.name))?;
        Ok(Response::new(RegisterResponse { worker_id }))
    }

    async fn lease(&self, request: Request<LeaseRequest>) -> Result<Response<LeaseResponse>, Status> {
        let request = request.into_inner();
        let wait = Duration::from_millis(u64::from(request.wait_millis.min(limits::MAX_WAIT_MILLIS)));
        let lease = self.cluster.lease(&request.worker_id, wait).await?;
        let lease_millis = u32::try_from(self.cluster.config.lease_time.as_millis()).unwrap_or(u32::MAX);
        let task = lease.map(|lease| LeasedTask {
            key: Some(LeaseKey {
                worker_id: lease.worker,
                task_id: lease.task.0.to_string(),
                epoch: lease.epoch,
            }),
            lease_millis,
        });
        Ok(Response::new(LeaseResponse { task }))
    }

    type GetInputStream = Answer<OutputPiece>;

    async fn get_input(
        &self,
        request: Request<GetInputRequest>,
    ) -> Result<Response<Self::GetInputStream>, Status> {
        let lease = lease_of(request.into_inner().key)?;
        let input = match self.cluster.job(&lease)? {
            Job::Read(reading) => Some(codec::to_bytes(&reading.input)),
            Job::Scan(scan, step) => scan.plan().planner.input(step).map(|input| codec::to_bytes(&input)),
        };
        let input = input.ok_or_else(|| ServiceError::Internal("a task without input".to_owned()))?;
        Ok(Response::new(pieces(input.into())))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<RenewResponse>, Status> {
        let request = request.into_inner();
        self.cluster.renew(&lease_of(request.key)?, request.bytes_read)?;
        Ok(Response::new(RenewResponse {}))
    }

    async fn have(&self, request: Request<HaveRequest>) -> Result<Response<HaveResponse>, Status> {
        let request = request.into_inner();
        if request.ids.len() > limits::MAX_OBJECTS_A_MESSAGE {
            return Err(ServiceError::Limit(format!("{} objects in one message", request.ids.len())).into());
        }
        let (ids, store) = (request.object_ids()?, Arc::clone(&self.cluster.store));
        let present = error::blocking(move || store.has(&ids).map_err(error::of_store)).await?;
        Ok(Response::new(HaveResponse { present }))
    }

    type GetKeptStream = Answer<KeptPiece>;

    async fn get_kept(
        &self,
        request: Request<GetKeptRequest>,
    ) -> Result<Response<Self::GetKeptStream>, Status> {
        let request = request.into_inner();
        let keys = request.kept_keys()?;
        if keys.len() > limits::MAX_KEPT_A_MESSAGE {
            return Err(ServiceError::Limit(format!("{} keys in one message", keys.len())).into());
        }
        scan_of(self.cluster.job(&lease_of(request.key)?)?)?;
        let store = Arc::clone(&self.cluster.store);
        let answer = stream::answer(&stream::WORKERS, 2, move |sender| {
            for (index, key) in (0..).zip(keys) {
                let mut rest = Bytes::from(store.kept(key).map_err(error::of_store)?.unwrap_or_default());
                while !rest.is_empty() {
                    let data = rest.split_to(rest.len().min(MAX_PIECE_BYTES));
                    sender.blocking_send(Ok(KeptPiece { index, data })).map_err(|_| stream::gone())?;
                }
            }
            Ok(())
        });
        Ok(Response::new(answer))
    }

    async fn put_objects(
        &self,
        request: Request<Streaming<PutObjectsRequest>>,
    ) -> Result<Response<PutObjectsResponse>, Status> {
        let mut messages = request.into_inner();
        let mut lease = None;
        while let Some(message) = messages.message().await? {
            // Later messages need not name it again.
            let lease = match lease.take() {
                Some(known) => lease.insert(known),
                None => lease.insert(lease_of(message.key)?),
            };
            if message.objects.len() > limits::MAX_OBJECTS_A_MESSAGE {
                let count = message.objects.len();
                return Err(ServiceError::Limit(format!("{count} objects in one message")).into());
            }
            let (scan, own) = (scan_of(self.cluster.job(lease)?)?, self.own);
            error::blocking(move || {
                let objects = message.objects.into_iter().map(|object| packed(object, own));
                let objects: Vec<Packed> = objects.collect::<Result<_, _>>()?;
                let mut writer = scan.objects.lock().unwrap_or_else(PoisonError::into_inner);
                let ended = || ServiceError::LeaseLost("the scan has ended".to_owned());
                let writer = writer.as_mut().ok_or_else(ended)?;
                objects.iter().try_for_each(|object| writer.put(object).map(drop)).map_err(error::of_store)
            })
            .await?;
        }
        Ok(Response::new(PutObjectsResponse {}))
    }

    async fn put_output(
        &self,
        request: Request<Streaming<PutOutputRequest>>,
    ) -> Result<Response<PutOutputResponse>, Status> {
        let mut messages = request.into_inner();
        let Some(mut first) = messages.message().await? else {
            return Err(ServiceError::Invalid("an output without a first message".to_owned()).into());
        };
        let lease = lease_of(first.key.take())?;
        if first.name.len() > limits::MAX_NAME_BYTES || first.name.starts_with(spool::RESERVED) {
            let name = limits::cut(&first.name);
            return Err(ServiceError::Invalid(format!("{name:?} cannot be an output's name")).into());
        }
        match self.cluster.job(&lease)? {
            Job::Read(reading) if first.name.is_empty() => self.pass(&reading, first, &mut messages).await?,
            job => self.spool(&*scan_of(job)?, &lease, first, &mut messages).await?,
        }
        Ok(Response::new(PutOutputResponse {}))
    }

    type GetOutputStream = Answer<OutputPiece>;

    async fn get_output(
        &self,
        request: Request<GetOutputRequest>,
    ) -> Result<Response<Self::GetOutputStream>, Status> {
        let request = request.into_inner();
        let scan = scan_of(self.cluster.job(&lease_of(request.key)?)?)?;
        let path = scan.spool.path(&request.name);
        let file = tokio::fs::File::open(&path).await;
        let mut file = file.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                ServiceError::NotFound(format!("no output {:?}", limits::cut(&request.name)))
            }
            _ => error::of_spool(&path)(error),
        })?;
        let (sender, receiver) = mpsc::channel(2);
        tokio::spawn(async move {
            loop {
                let mut data = Vec::with_capacity(MAX_PIECE_BYTES);
                let piece = match (&mut file).take(MAX_PIECE_BYTES as u64).read_to_end(&mut data).await {
                    Ok(0) => return,
                    Ok(_) => Ok(OutputPiece { data: data.into() }),
                    Err(error) => Err(error::of_spool(&path)(error).into()),
                };
                let failed = piece.is_err();
                if sender.send(piece).await.is_err() || failed {
                    return;
                }
            }
        });
        Ok(Response::new(Answer::new(receiver)))
    }

    async fn complete(
        &self,
        request: Request<CompleteRequest>,
    ) -> Result<Response<CompleteResponse>, Status> {
        let request = request.into_inner();
        self.cluster.complete(lease_of(request.key)?, request.bytes_read).await?;
        Ok(Response::new(CompleteResponse {}))
    }

    async fn fail(&self, request: Request<FailRequest>) -> Result<Response<FailResponse>, Status> {
        let request = request.into_inner();
        self.cluster.fail(&lease_of(request.key)?, &limits::cut(&request.reason), request.retry)?;
        Ok(Response::new(FailResponse {}))
    }
}
