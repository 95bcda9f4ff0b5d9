"""A Dask cluster of this machine whose workers need not load torch again."""

from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from typing import TYPE_CHECKING

from tests.warm_process import warm_context

if TYPE_CHECKING:
    from dask.distributed import LocalCluster


@contextmanager
def local_cluster(num_workers: int) -> Iterator["LocalCluster"]:
    """Workers behind an address, as a centre's would be; they are forked from the server of this test process."""
    import dask
    from dask.distributed import LocalCluster

    warm_context()
    forkserver.ensure_running()
    with (
        dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}),
        LocalCluster(n_workers=num_workers, threads_per_worker=1, dashboard_address=None) as cluster,
    ):
        yield cluster
