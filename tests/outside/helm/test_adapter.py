"""The metric by which the autoscaler scales: the adapter's rule makes it of what the pods say; the chart names it."""

import re
import subprocess

import yaml
from charts import GATEWAY, HELM

VALUES = yaml.safe_load((HELM / "prometheus-adapter.yaml").read_text())
TEST = """\
rule_files: [rules.yml]
evaluation_interval: 15s
tests:
  - interval: 15s
    input_series:
      - {series: 'countersign_load_ratio{namespace="signing",pod="a",instance="10.0.0.1:8022"}', values: 0.75x4}
      - {series: 'countersign_load_ratio{namespace="signing",pod="b",instance="10.0.0.2:8022"}', values: 0x4}
      - {series: 'countersign_load_ratio{namespace="other",pod="a",instance="10.0.0.3:8022"}', values: 1x4}
    promql_expr_test:
      - expr: used
        eval_time: 1m
        exp_samples:
          - {labels: 'used{pod="a"}', value: 0.75}
          - {labels: 'used{pod="b"}', value: 0}
"""


def test_the_adapter_serves_the_used_part_of_the_limit_of_each_pod(tmp_path):
    """With the words filled in as the adapter fills them in, for all pods of a namespace; by Prometheus itself."""
    (rule,) = VALUES["rules"]["custom"]
    query = rule["metricsQuery"].replace("<<.GroupBy>>", "pod")
    query = query.replace("<<.LabelMatchers>>", 'namespace="signing",pod=~"a|b"')
    assert "<<" not in query
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(
        {"groups": [{"name": "adapter", "rules": [{"record": "used", "expr": query}]}]}))
    (tmp_path / "test.yml").write_text(TEST)
    done = subprocess.run(["promtool", "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_chart_asks_for_the_metric_that_the_adapter_serves():
    (rule,) = VALUES["rules"]["custom"]
    values = yaml.safe_load((GATEWAY / "values.yaml").read_text())
    assert rule["name"]["as"] == values["autoscaling"]["load"]["metric"]
    assert re.fullmatch(rule["name"]["matches"], "countersign_load_ratio")
    assert {"namespace", "pod"} == set(rule["resources"]["overrides"])
