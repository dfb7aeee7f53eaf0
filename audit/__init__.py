"""The audit trail: the interceptor that writes it, its DynamoDB tables, its seals, its report and its verification."""
