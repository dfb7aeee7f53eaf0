#!/bin/sh
# Waits until Temporal is healthy and makes the namespace if it is not there.
# Run by docker-compose.yml in temporalio/admin-tools; TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE say where and which.
set -eu

until temporal operator cluster health; do sleep 2; done
temporal operator namespace describe || temporal operator namespace create --retention 30d
