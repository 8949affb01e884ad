"""Nightly export of Bitrix24 payments, for Apache Airflow.

A task that exits with 3 has published, with rejects; one that exits with 5, 75 or
130 is tried again and goes on where it ended; 1, 2 and 4 need a person.
"""

from __future__ import annotations

import subprocess
from datetime import datetime, timedelta

from airflow.decorators import dag, task
from airflow.exceptions import AirflowException, AirflowFailException

PUBLISHED = {0, 3}
AGAIN = {5, 75, 130}


@dag(
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 6, "retry_delay": timedelta(minutes=10)},
)
def b24export():
    @task
    def export(job: str) -> int:
        # B24_WEBHOOK comes from the worker's environment, not from the command.
        code = subprocess.run(
            ["b24export", "run", job, "--log-format", "json", "--progress", "log"], check=False
        ).returncode
        if code in PUBLISHED:
            return code
        if code in AGAIN:
            raise AirflowException(f"b24export exits with {code}: to be tried again")
        raise AirflowFailException(f"b24export exits with {code}: its log says what to do")

    export("/etc/b24export/nightly.yaml")


b24export()
