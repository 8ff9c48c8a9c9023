"""Values that could not work are refused by helm, before anything is installed, with what to write instead."""

import pytest
from charts import CONSUMER, GATEWAY, consumer_chart, documents, pod_of, refused

SECRET = GATEWAY / "ci/secret-values.yaml"
EVERYTHING = GATEWAY / "ci/everything-values.yaml"
# a listener that pods reach, which nothing else is wrong with
TLS = '{"certificate":"/a","private_key":"/b","client_ca":"/c"}'
REACHED = f'{{"address":"0.0.0.0:8031","authenticate":["mtls"],"tls":{TLS}}}'


def test_the_defaults_alone_are_refused_with_what_to_write():
    said = refused(GATEWAY)
    assert "No route is configured" in said and "endpoint: https://importexport.amazonaws.com/" in said


@pytest.mark.parametrize("settings, words", [
    (["keys={}"], "No key is configured"),
    (["config.client={}"], "No client is configured, and the listener `gateway` serves nobody else"),
    (["config.listener=null"], "No listener is configured"),
    (["config.admin=null"], "Set config.admin.address to 0.0.0.0:8022"),
    (['config.admin.address="127.0.0.1:8022"'], "The kubelet cannot reach [admin]"),
    (["config.listener.gateway.service_account.issuer=null"], "kubectl get --raw /.well-known/openid-configuration"),
    (["tls=null"], "config.listener.gateway.danger_cleartext_tokens: true"),
    (['config.listener.gateway.authenticate=["mtls"]'], "no authority of theirs is named"),
    (['tls.gateway={"secretName":null,"sessionLifetime":"5m"}'], "an issuer in `certManager.issuerRef`"),
    (['tls.other={"secretName":"x"}'], "tls.other: there is no listener of this name"),
    (["service.ports={\"other\":443}"], "service.ports.other: no listener of this name"),
    (['keys.main=null', 'keys.a={"aws":{"source":"container"}}', 'image.variant="plain"'], "image.variant is plain"),
    (['keys.b={"vault":{"role":"a","secret":"x"}}', 'keys.c={"vault":{"role":"b","secret":"x"}}'],
     "one agent fetches all keys"),
    (["autoscaling.enabled=true", "autoscaling.targetCPUUtilizationPercentage=null"], "without a metric"),
    (["terminationGracePeriodSeconds=29"], "lower these, or set it to 35"),
    (['config.process.drain="2m"', "preStopSleepSeconds=0", "terminationGracePeriodSeconds=60"], "set it to 125"),
    (['config.process.drain_delay="10s"', "terminationGracePeriodSeconds=39"], "set it to 45"),
    ([f'config.listener.admin={REACHED}'],
     "The ports of [admin] and of the listener `admin` would both be called cs-admin"),
    ([f"config.listener.reports-for-{name}={REACHED}" for name in ("berlin", "bern")], "both be called cs-reports-for"),
])
def test_what_could_not_work_is_refused_with_what_to_do(settings, words):
    assert words in refused(GATEWAY, SECRET, settings=settings)


@pytest.mark.parametrize("setting, place", [
    ("config.process.workrs=3", "at '/config/process': additional properties 'workrs' not allowed"),
    ('config.route.importexport.timeouts={"connect":"10 parsecs"}', "/config/route/importexport/timeouts/connect"),
    ('config.route.importexport.endpoint="importexport.amazonaws.com"', "/config/route/importexport/endpoint"),
    ('config.client.reporting.allow=["ListJobs"]', "/config/client/reporting/allow/0"),
    ('config.listener.gateway.authenticate=["password"]', "/config/listener/gateway/authenticate/0"),
    ('replicaCount="two"', "at '/replicaCount': got string, want integer"),
    ('replicacount=2', "additional properties 'replicacount' not allowed"),
    ('image.digest="sha256:abc"', "at '/image/digest'"),
    ('image.variant="slim"', "at '/image/variant'"),
    ('keys.main={"secret":{"name":"a"},"csi":{"secretProviderClass":"b"}}', "keys.main: give one source of"),
    ('keys.Main={"secret":{"name":"a"}}', "'Main' does not match pattern"),
    ('keys.main={"secret":{"nmae":"a"}}', "at '/keys/main/secret'"),
    ('keys.main={"aws":{"source":"keychain"}}', "at '/keys/main/aws/source'"),
    ('tls.gateway={"secret":"a"}', "at '/tls/gateway': additional properties 'secret' not allowed"),
    ('confD.team={"keys":["main"]}', "at '/confD/team': missing property 'configMap'"),
    ('networkPolicy.clients="all"', "at '/networkPolicy/clients': got string, want array"),
    ('preStopSleepSeconds=-1', "at '/preStopSleepSeconds'"),
    ('service.type="Ingress"', "at '/service/type'"),
])
def test_a_value_of_the_wrong_kind_is_refused_at_its_place(setting, place):
    assert place in refused(GATEWAY, SECRET, settings=[setting])


def test_a_table_is_left_out_with_null():
    assert pod_of(documents(GATEWAY, SECRET, settings=["config.listener.gateway.limits=null"]))


def test_the_library_refuses_a_chart_without_a_route_or_a_key():
    assert CONSUMER.exists()
    route, key = "countersign-sidecar.config.route=null", "countersign-sidecar.keys=null"
    assert "No route is configured" in refused(consumer_chart(), settings=[route])
    assert "No key is configured" in refused(consumer_chart(), settings=[key])
    said = refused(consumer_chart(), settings=["countersign-sidecar.probs={}"])
    assert "additional properties 'probs' not allowed" in said
