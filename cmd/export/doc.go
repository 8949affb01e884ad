// B24export exports the payments of Bitrix24 portals to Parquet files in a
// folder or a bucket.
//
//	b24export demo                 export a fake portal to ./b24export-demo; needs no account
//	b24export init                 ask for what a job needs, test it, write a job file
//	b24export run JOB…             export, or resume an interrupted export
//	b24export run --to URL         the same without a job file; the webhook is in B24_WEBHOOK
//	b24export check JOB…           check the job file, portal and storage before a run
//	b24export plan JOB…            predict the requests and minutes of a run
//	b24export status JOB…          show each portal's newest snapshot, last run and unfinished work
//	b24export snapshots JOB…       list the retained snapshots
//	b24export cat JOB|FILE         print rows as a table, CSV, JSON or Arrow
//	b24export diff JOB [A [B]]     print the differences between two snapshots
//	b24export sql JOB              print statements that query or load the dataset, for DuckDB or BigQuery
//	b24export verify JOB…          read snapshots back and check them against their manifests
//	b24export report JOB           write one HTML page about a run
//	b24export auth JOB             fetch an OAuth portal's first tokens, with a person's help
//	b24export prune JOB…           delete what is past retention
//	b24export forget PORTAL JOB    delete a portal's dataset
//	b24export rename PORTAL NEW JOB  give a portal's dataset another name
//	b24export schema               print the columns of the dataset's tables
//	b24export portal               serve a fake portal
//	b24export version              print version, commit, date, Go, schema version
//	b24export completion SHELL     print completion for bash, zsh, fish, powershell
//	b24export help COMMAND         show the examples and flags of a command; help all shows all
//
// Standard output is for results, standard error for logs, progress and errors.
// An error is one line that begins with b24export:. If the user can do something about
// it, a line that begins with hint: follows. Each problem of a job file has a line.
//
// # Exit codes
//
//	  0  complete
//	  1  failed (bug, storage, counts that do not add up); readers see nothing
//	     incomplete, and running again resumes
//	  2  usage or job file wrong; nothing was started
//	  3  published, with rejects below the job's threshold
//	  4  the portal refuses: token, rights, scope, plan, block; running again
//	     resumes once that is fixed
//	  5  another run holds this job's lease
//	 75  a temporary fault (portal or storage unreachable) lasted longer than the
//	     job's patience; running again resumes
//	130  interrupted by a signal, checkpoint saved; running again resumes
//
// With several portals, codes that another run can clear come first: the exit code is
// the first of 130, 75, 1, 5, 2, 4, 3, 0 that any portal has. A failed portal does not
// stop the others. run --rejects-ok exits with 0 instead of 3.
//
// After the first SIGINT or SIGTERM, the program waits at most ten seconds for requests
// in flight, and saves a checkpoint. The second one ends the program at once, with 130;
// the next run reads again what was read since the last checkpoint.
//
// # Environment
//
//	B24_WEBHOOK                    the webhook of run without a job file, and of init
//	the names in ${…} of a job     secrets and places in job files
//	JOB_COMPLETION_INDEX,          shard of a Kubernetes indexed Job
//	  B24EXPORT_SHARDS
//	CLOUD_RUN_TASK_INDEX,          shard of a Cloud Run job
//	  CLOUD_RUN_TASK_COUNT
//	AWS_BATCH_JOB_ARRAY_INDEX,     shard of an AWS Batch array
//	  AWS_BATCH_JOB_ARRAY_SIZE
//	GOMEMLIMIT                     memory limit, such as 200MiB; by default it follows
//	                               from the container's limit, if there is one
//	NO_COLOR, TERM=dumb            progress bars without colours
//	COLUMNS                        width of tables that do not go to a terminal
//	HTTPS_PROXY, NO_PROXY,         the same as for other Go programs
//	  SSL_CERT_FILE
//	AWS_…, GOOGLE_…, AZURE_…       credentials, as the clouds' libraries read them
//
// No flag accepts a secret, because every user of the machine can see command lines.
//
// # Lines for machines
//
// With --json, standard output has one JSON object per line. Fields may be added. If the
// meaning of a field changes, the number of the protocol rises.
//
// Run and demo begin with
//
//	{"protocol":1,"program":"b24export/1.0.0","command":"run","started_at":"…"}
//
// continue with an event for each active portal, every five seconds,
//
//	{"progress":{"dataset":"payments","portal":"acme","phase":"fetching","done":5000,"total":12000,…}}
//
// and end with a line for each portal, also if it failed. The line has the manifest's
// fields if a snapshot was published, and portal, snapshot, job, resumed, skipped (if
// --if-older skipped it), new_rejects, exit, error (null if there was none), hint,
// seconds. unfinished has the counts of a run that published nothing. This selects
// these lines:
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
// prune, forget, rename) need no secret, and accept --from URL --name DATASET instead of a
// job file. A portal whose name comes from its address needs the address, however.
// Tables show times to the second, in UTC.
package main
