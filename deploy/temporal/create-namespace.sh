#!/bin/sh
# Waits until Temporal is healthy and creates the namespace if it does not exist.
# docker-compose.yml runs it in temporalio/admin-tools with TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE.
set -eu

until temporal operator cluster health; do sleep 2; done
temporal operator namespace describe || temporal operator namespace create --retention 30d
