//! A database with one opening in it, for the tests of the layers above.

use super::{Db, Priority, execute};
use crate::domain::ids::{OpeningId, OrgId, ProjectId};
use crate::domain::time::{Clock, Micros};

/// A fresh SQLite database; it lives as long as the folder.
pub(crate) async fn sqlite() -> (tempfile::TempDir, Db) {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open_sqlite(folder.path(), Clock::system()).await.unwrap();
    (folder, db)
}

/// An empty published opening that starts at `start` and lasts two hours.
pub(crate) async fn opening(db: &Db, start: Micros) -> OpeningId {
    let (project, opening) = (ProjectId::generate(), OpeningId::generate());
    let mut tx = db.begin(Priority::Staff).await.unwrap();
    execute!(
        tx,
        "INSERT INTO project (id, org_id, name, time_zone, created_at) VALUES ($1, $2, $3, 'Asia/Shanghai', 0)",
        &project,
        OrgId::default_org(),
        project.as_str()
    )
    .unwrap();
    execute!(
        tx,
        "INSERT INTO opening (id, org_id, project_id, name, rehearsal, simulated, hold_us, favourites_max,
             deposit_home_fen, deposit_parking_fen, deposit_shop_fen, deposit_storage_fen,
             quota_home, quota_parking, quota_shop, quota_storage, created_at)
         VALUES ($1, $2, $3, 'opening', false, false, 0, 10, 0, 0, 0, 0, 1, 1, 1, 1, 0)",
        &opening,
        OrgId::default_org(),
        &project
    )
    .unwrap();
    execute!(
        tx,
        "INSERT INTO opening_head (opening_id, org_id, epoch, phase, paused, control_version, next_seq, start_at, end_at)
         VALUES ($1, $2, 1, 'published', false, 1, 1, $3, $4)",
        &opening,
        OrgId::default_org(),
        start,
        start.plus(Micros::from_secs(7_200))
    )
    .unwrap();
    tx.commit().await.unwrap();
    opening
}
