"""Nightly export of Bitrix24 payments, for Apache Airflow 3.

A wrong job file (2) and missing rights (4) need a person and fail the task at
once. After every other failure (1, 5, 75, 130) Airflow tries again, and the run
resumes. With --rejects-ok, refused payments are a success; notify in the job file
and the alerts report them. With --if-older, the next try exports only the portals
that are missing.
"""

from __future__ import annotations

import subprocess
from datetime import datetime, timedelta

from airflow.exceptions import AirflowException, AirflowFailException
from airflow.sdk import dag, task

NEEDS_A_PERSON = {2, 4}


@dag(
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 6, "retry_delay": timedelta(minutes=10)},
)
def b24export():
    @task
    def export(job: str) -> None:
        # B24_WEBHOOK comes from the worker's environment, not from the command.
        command = ["b24export", "run", job, "--rejects-ok", "--if-older", "12h"]
        code = subprocess.run([*command, "--log-format", "json", "--progress", "log"], check=False).returncode
        if code in NEEDS_A_PERSON:
            raise AirflowFailException(f"b24export exits with {code}: its log says what to do")
        if code != 0:
            raise AirflowException(f"b24export exits with {code}: the next try resumes")

    export("/etc/b24export/nightly.yaml")


b24export()
