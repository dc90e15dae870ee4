#!/usr/bin/env bash
# Lints the chart and renders it as a person would install it: with nothing set, and with everything set.
set -euo pipefail
cd "$(dirname "$0")/.."

helm=.cache/bin/helm
export HELM_CACHE_HOME="$PWD/.cache/helm" HELM_CONFIG_HOME="$PWD/.cache/helm" HELM_DATA_HOME="$PWD/.cache/helm"
mkdir -p .cache/chart

"$helm" lint --strict --quiet charts/galley
"$helm" template galley charts/galley --namespace galley > .cache/chart/default.yaml
"$helm" template galley charts/galley --namespace galley --include-crds --values charts/galley/ci/full-values.yaml > .cache/chart/full.yaml
for kind in Deployment ServiceAccount Role RoleBinding Service PersistentVolumeClaim; do
    grep -q "^kind: $kind\$" .cache/chart/default.yaml || { echo "tools/chart.sh: the chart renders no $kind" >&2; exit 1; }
done
grep -q "^kind: PrometheusRule\$" .cache/chart/full.yaml || { echo "tools/chart.sh: alerts.enabled renders no PrometheusRule" >&2; exit 1; }
grep -q "alert: GalleyStateAtRisk" .cache/chart/full.yaml || { echo "tools/chart.sh: the PrometheusRule holds no rules" >&2; exit 1; }
# A wrong value is refused by values.schema.json, not found out in the cluster.
if "$helm" template galley charts/galley --set replicas=2 > /dev/null 2>&1; then
    echo "tools/chart.sh: values.schema.json lets an unknown value through" >&2
    exit 1
fi
echo "chart: $(grep -c '^kind: ' .cache/chart/default.yaml) objects by default, $(grep -c '^kind: ' .cache/chart/full.yaml) with everything set and the definitions"
