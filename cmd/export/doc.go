// B24export exports the payments of Bitrix24 portals to Parquet files in a
// folder or a bucket.
//
//	b24export demo                 no account needed: a fake portal, exported to ./b24export-demo
//	b24export init                 ask for what a job needs, try it, write a job file
//	b24export run JOB…             export, or resume an interrupted export
//	b24export run --to URL         the same without a job file; the webhook is in B24_WEBHOOK
//	b24export check JOB…           check the job file, portal and storage before a run
//	b24export plan JOB…            predict what a run will take
//	b24export status JOB…          show each portal's newest snapshot, last run and unfinished work
//	b24export snapshots JOB…       list the snapshots that are kept
//	b24export cat JOB|FILE         rows, as a table, CSV, JSON or Arrow
//	b24export diff JOB [A [B]]     what differs between two snapshots
//	b24export sql JOB              statements that query or load the dataset, for DuckDB or BigQuery
//	b24export verify JOB…          read snapshots back and check them against their manifests
//	b24export report JOB           one HTML page about a run
//	b24export auth JOB             get an OAuth portal's first tokens, with a person's help
//	b24export prune JOB…           delete what is past retention
//	b24export forget PORTAL JOB    delete a portal's dataset
//	b24export rename PORTAL NEW JOB  give a portal's dataset another name
//	b24export schema               the columns of the dataset's tables
//	b24export portal               serve a fake portal
//	b24export version              version, commit, date, Go, schema version
//	b24export completion SHELL     completion for bash, zsh, fish, powershell
//	b24export help COMMAND         examples and flags of a command; of every one: help all
//
// Standard output is for results, standard error for logs, progress and errors.
// An error is one line that begins with b24export:, and a line that begins with
// hint: where something can be done about it. The problems of a job file have a
// line each.
//
// # Exit codes
//
//	  0  complete
//	  1  failed (bug, storage, data that does not add up); nothing half-done is
//	     visible, and running again resumes
//	  2  usage or job file wrong; nothing was started
//	  3  published, with rejects below the job's threshold
//	  4  the portal refuses: token, rights, scope, plan, block; running again
//	     resumes once that is fixed
//	  5  another run holds this job's lease
//	 75  gave up on something temporary (portal or storage unreachable past the
//	     job's patience); running again resumes
//	130  interrupted by a signal, checkpoint saved; running again resumes
//
// With several portals, codes that another run can clear come first: the exit code is
// the first of 130, 75, 1, 5, 2, 4, 3, 0 that any portal has. A failed portal does not
// stop the others. run --rejects-ok exits with 0 instead of 3.
//
// The first SIGINT or SIGTERM lets requests under way end, for ten seconds at
// most, and saves a checkpoint. The second one ends the program at once, with
// 130; what was read since the last checkpoint will be read again.
//
// # Environment
//
//	B24_WEBHOOK                    the webhook of run without a job file, and of init
//	whatever a job names as ${…}   secrets and places in job files
//	JOB_COMPLETION_INDEX,          shard of a Kubernetes indexed Job
//	  B24EXPORT_SHARDS
//	CLOUD_RUN_TASK_INDEX,          shard of a Cloud Run job
//	  CLOUD_RUN_TASK_COUNT
//	AWS_BATCH_JOB_ARRAY_INDEX,     shard of an AWS Batch array
//	  AWS_BATCH_JOB_ARRAY_SIZE
//	GOMEMLIMIT                     memory to keep to, such as 200MiB; by default what
//	                               the container's limit leaves, if there is one
//	NO_COLOR, TERM=dumb            progress bars without colours
//	COLUMNS                        width of tables that do not go to a terminal
//	HTTPS_PROXY, NO_PROXY,         as Go programs know them
//	  SSL_CERT_FILE
//	AWS_…, GOOGLE_…, AZURE_…       credentials, as the clouds' libraries read them
//
// A flag for a secret does not exist: command lines are for everybody to see.
//
// # Lines for machines
//
// With --json, standard output has one JSON object a line. New fields may come;
// those that are there keep their meaning, or the protocol's number rises.
//
// Run and demo begin with
//
//	{"protocol":1,"program":"b24export/1.0.0","command":"run","started_at":"…"}
//
// continue with an event for each active portal, every five seconds,
//
//	{"progress":{"dataset":"payments","portal":"acme","phase":"fetching","done":5000,"total":12000,…}}
//
// and end with a line for each portal, also when it failed: the manifest's fields
// if a snapshot was published, and portal, snapshot, job, resumed, skipped (if
// --if-older left it out), new_rejects, exit, error (null if there was none), hint,
// seconds; unfinished has the counts of a run that published nothing. To pick them out:
//
//	jq -c 'select(.exit != null)'
//
// Init prints the lines of check, and then the file that it wrote. The other commands
// print a line for each item: status and plan for each portal, verify for each snapshot,
// prune for each path, schema for each column, cat and diff for each row, sql for each
// statement. If a command fails before it prints an item, it prints one line with exit,
// error and hint.
//
// # Limitations
//
// Commands that read the dataset (status, snapshots, cat, diff, verify, sql, report,
// prune, forget, rename) need no secret, and take --from URL --name DATASET instead of a job file.
// A portal that takes its name from its address needs the address, though.
// Tables show times to the second, in UTC.
package main
