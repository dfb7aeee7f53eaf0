"""The services beside RDS, as far as a restore calls them: each call succeeds at once, for every account.

Other tests run against moto's services; here moto would only take time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Response

from devstack.aws.caller import Caller
from devstack.aws.requests import AwsRequest
from devstack.aws.services import OtherServices

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Answer = dict[str, Any]


class InProcessServices(OtherServices):
    """STS, KMS, EC2, Secrets Manager and SNS."""

    def respond(self, environ: WSGIEnvironment, caller: Caller | None) -> Response:
        """See base class."""
        request = AwsRequest.read(environ)
        assert caller is not None
        if environ["HTTP_X_AMZ_TARGET"]:
            body = json.dumps(self.call(caller, environ["HTTP_X_AMZ_TARGET"], request.parameters))
            headers = {"x-amzn-RequestId": "-"}
            return Response(body, headers=headers, content_type="application/x-amz-json-1.1")
        return Response(_XML[request.operation](caller, request.form), content_type="text/xml")

    def call(self, caller: Caller, target: str, parameters: Mapping[str, Any]) -> Answer:
        """See base class."""
        return _JSON[target.rpartition(".")[2]](caller, parameters)


def _key(caller: Caller, _: Mapping[str, Any]) -> Answer:
    arn = f"arn:aws:kms:{caller.region}:{caller.account}:key/the-one"
    return {"KeyMetadata": {"KeyId": "the-one", "Arn": arn, "KeyState": "Enabled"}}


def _secret(caller: Caller, _: Mapping[str, Any]) -> Answer:
    arn = f"arn:aws:secretsmanager:{caller.region}:{caller.account}:secret:the-one"
    return {"ARN": arn, "Name": "the-one", "SecretString": '{"password": "long-enough"}'}


_JSON = {
    "DescribeKey": _key,
    "CreateSecret": _secret,
    "DescribeSecret": _secret,
    "GetSecretValue": _secret,
    "PutSecretValue": _secret,
    "DeleteSecret": _secret,
}


def _identity(caller: Caller, _: Mapping[str, str]) -> str:
    arn = f"arn:aws:iam::{caller.account}:user/worker"
    return _result("GetCallerIdentity", f"<Arn>{arn}</Arn><UserId>-</UserId><Account>{caller.account}</Account>")


def _assume_role(_: Caller, form: Mapping[str, str]) -> str:
    account = form["RoleArn"].split(":")[4]
    keys = f"<AccessKeyId>{account}</AccessKeyId><SecretAccessKey>-</SecretAccessKey><SessionToken>-</SessionToken>"
    expiry = "<Expiration>2099-01-01T00:00:00Z</Expiration>"
    user = f"<AssumedRoleUser><AssumedRoleId>-</AssumedRoleId><Arn>{form['RoleArn']}</Arn></AssumedRoleUser>"
    return _result("AssumeRole", f"<Credentials>{keys}{expiry}</Credentials>{user}")


def _security_group(_: Caller, form: Mapping[str, str]) -> str:
    item = f"<item><groupId>{form['GroupId.1']}</groupId><groupName>database</groupName></item>"
    response = f"<requestId>-</requestId><securityGroupInfo>{item}</securityGroupInfo>"
    return f"<DescribeSecurityGroupsResponse>{response}</DescribeSecurityGroupsResponse>"


def _publish(_: Caller, __: Mapping[str, str]) -> str:
    return _result("Publish", "<MessageId>-</MessageId>")


def _topic(_: Caller, form: Mapping[str, str]) -> str:
    entry = f"<entry><key>TopicArn</key><value>{form['TopicArn']}</value></entry>"
    return _result("GetTopicAttributes", f"<Attributes>{entry}</Attributes>")


_XML = {
    "GetCallerIdentity": _identity,
    "AssumeRole": _assume_role,
    "DescribeSecurityGroups": _security_group,
    "GetTopicAttributes": _topic,
    "Publish": _publish,
}


def _result(operation: str, content: str) -> str:
    result = f"<{operation}Result>{content}</{operation}Result>"
    metadata = "<ResponseMetadata><RequestId>-</RequestId></ResponseMetadata>"
    return f"<{operation}Response>{result}{metadata}</{operation}Response>"
