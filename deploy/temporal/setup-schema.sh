#!/bin/sh
# Makes and updates the two databases of Temporal; what is there already is left as it is.
# Run by docker-compose.yml in temporalio/admin-tools; the password comes in SQL_PASSWORD.
set -eu

for store in temporal visibility; do
    database=temporal
    [ "$store" = temporal ] || database=temporal_visibility
    tool="temporal-sql-tool --plugin postgres12 --ep $POSTGRES_SEEDS --port 5432 --user temporal --database $database"
    $tool create
    $tool setup-schema --version 0.0
    $tool update-schema --schema-dir "/etc/temporal/schema/postgresql/v12/$store/versioned"
done
