// Package deploy tests the files in the folder deploy with the software that reads
// them: Kubernetes' own validation, systemd, Prometheus' rule engine, a parser of
// GitHub's workflows, and Python for Airflow. It is a separate module, because
// Kubernetes and Prometheus have many dependencies.
package deploy
