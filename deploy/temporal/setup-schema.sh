#!/bin/sh
# Creates and updates Temporal's two databases; a database that is up to date does not change.
# docker-compose.yml runs it in temporalio/admin-tools with the password in SQL_PASSWORD.
set -eu

for store in temporal visibility; do
    database=temporal
    [ "$store" = temporal ] || database=temporal_visibility
    tool="temporal-sql-tool --plugin postgres12 --ep $POSTGRES_SEEDS --port 5432 --user temporal --database $database"
    $tool create
    $tool setup-schema --version 0.0
    $tool update-schema --schema-dir "/etc/temporal/schema/postgresql/v12/$store/versioned"
done
