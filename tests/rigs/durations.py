"""How long RDS takes under test, in seconds on the emulator's clock: one table for all rigs."""

from __future__ import annotations

from devstack.aws import Durations


def uniform(seconds: float) -> Durations:
    """Every transition takes as long; a new resource is visible at once."""
    return Durations(**dict.fromkeys(Durations.__dataclass_fields__, seconds) | {"visibility_lag": 0.0})


AT_ONCE = uniform(0)
TENTHS = Durations(
    snapshot=0.1, copy=0.5, cluster_create=0.1, cluster_restore=0.4, cluster_modify=0.1, cluster_rename=0.2, cluster_delete=0.3,
    instance_create=0.4, instance_delete=0.3, instance_modify=0.1, instance_rename=0.3, master_password=0.2,
)  # fmt: skip
"""For the fault campaign, whose restores take five seconds of real time."""
COMMANDS = Durations(**vars(uniform(0.2)) | {"cluster_restore": 3.0})
"""For the operator's commands: the restore takes long enough to be watched and cancelled."""
SECONDS = Durations(
    snapshot=1, copy=4, cluster_create=1, cluster_restore=3, cluster_modify=1, cluster_rename=1, cluster_delete=1,
    instance_create=2, instance_delete=1, instance_modify=1, instance_rename=1, master_password=1,
)  # fmt: skip
"""For the acceptance tests."""
SLOW_COPY = Durations(**vars(uniform(0.2)) | {"copy": 120, "cluster_restore": 0.5})
"""The copy takes as long as a browser needs to show it."""
MINUTES = Durations(
    snapshot=60, copy=540, cluster_create=60, cluster_restore=900, cluster_modify=60, cluster_rename=120, cluster_delete=40,
    instance_create=400, instance_delete=20, instance_modify=60, instance_rename=600, master_password=60,
)  # fmt: skip
"""For restores whose time is skipped: with the default waits one takes about 45 minutes."""
BRIEF = Durations(**vars(MINUTES) | {"copy": 120, "cluster_restore": 120, "instance_create": 60, "cluster_rename": 20})
"""For restores whose time is skipped and not measured, and whose activities poll by themselves, every few seconds."""
REFERENCE = Durations(
    snapshot=120, copy=540, cluster_create=60, cluster_restore=1320, cluster_modify=60, cluster_rename=120, cluster_delete=40,
    instance_create=360, instance_delete=20, instance_modify=60, instance_rename=600, master_password=60,
)  # fmt: skip
"""As in the reference trail: a copy takes about ten minutes, a restore about thirty."""
ACTIVITIES = Durations(
    snapshot=60, copy=100, cluster_create=60, cluster_restore=100, cluster_modify=40, cluster_rename=60, cluster_delete=60,
    instance_create=60, instance_delete=40, instance_modify=40, instance_rename=60, master_password=40,
)  # fmt: skip
"""For single activities, on a clock that only a test moves."""
EMULATOR = uniform(100)
"""For the emulator's own tests."""
NO_HARM = uniform(30)
"""For random worlds, whose restores poll once a minute."""
