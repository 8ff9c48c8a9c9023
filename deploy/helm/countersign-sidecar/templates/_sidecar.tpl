{{/*
What another chart includes. Each template gets the root context of that chart, and reads `countersign-sidecar` of its values.

  spec:
    {{- include "countersign.sidecar.pod" . | nindent 6 }}
    initContainers:
      {{- include "countersign.sidecar.container" . | nindent 8 }}
    volumes:
      {{- include "countersign.sidecar.volumes" . | nindent 8 }}

The annotations of the pods, and the ConfigMap as a file of its own:

      annotations:
        {{- include "countersign.sidecar.annotations" . | nindent 8 }}

  {{ include "countersign.sidecar.configMap" . }}
*/}}

{{/* The values, which Helm has completed by the library's own. */}}
{{- define "countersign.sidecar.values" -}}
{{- $values := index .Values "countersign-sidecar" -}}
{{- if not $values -}}
{{-   fail "\n\ncountersign-sidecar is no dependency of this chart: see its README.\n" -}}
{{- end -}}
{{- include "countersign.given" $values -}}
{{- end -}}

{{/* The configuration as one map, as JSON: of the values `config`, completed by the keys. */}}
{{- define "countersign.sidecar.settings" -}}
{{- $values := include "countersign.sidecar.values" . | fromJson -}}
{{- $settings := $values.config -}}
{{- $keys := include "countersign.keys.settings" $values.keys | fromJson -}}
{{- $_ := set $settings "key" (merge ($settings.key | default dict) $keys) -}}
{{- if not $settings.route -}}
{{-   fail "\n\nNo route is configured: countersign would have nothing to call. Set the URL that signed requests go to:\n\n  countersign-sidecar:\n    config:\n      route:\n        importexport:\n          endpoint: https://importexport.amazonaws.com/\n" -}}
{{- end -}}
{{- if not $settings.key -}}
{{-   fail "\n\nNo key is configured: countersign could sign nothing. Name a Secret that has it:\n\n  countersign-sidecar:\n    keys:\n      main:\n        secret:\n          name: countersign-main    # with main.age and identity; or `file: key.json` for a key in plain\n" -}}
{{- end -}}
{{- range $table := list "client" "conf_d" -}}
{{-   if not (get $settings $table) }}{{ $_ := unset $settings $table }}{{ end -}}
{{- end -}}
{{- toJson $settings -}}
{{- end -}}

{{- define "countersign.sidecar.configMapName" -}}
{{- /* It ends with this word however long the release's name is: deploy/kubernetes/inject/guard.yaml asks for it. */ -}}
{{- printf "%s-countersign" (.Release.Name | trunc 51 | trimSuffix "-") -}}
{{- end -}}

{{- define "countersign.sidecar.configMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "countersign.sidecar.configMapName" . }}
  labels:
    app.kubernetes.io/name: countersign
    app.kubernetes.io/instance: {{ .Release.Name | quote }}
    app.kubernetes.io/managed-by: {{ .Release.Service }}
data:
  # Read again when it changes, within a minute or two: no rollout. The annotation `countersign/restart` of the pods
  # changes with what a running process cannot change, and with nothing else.
  countersign.toml: |
    {{- include "countersign.toml" (dict "value" (include "countersign.sidecar.settings" . | fromJson)) | nindent 4 | replace "\n    \n" "\n\n" }}
{{- end -}}

{{/* Annotations of the pods: what replaces them, and what the injector of Vault reads. */}}
{{- define "countersign.sidecar.annotations" -}}
{{- $values := include "countersign.sidecar.values" . | fromJson -}}
countersign/restart: {{ include "countersign.restart" (include "countersign.sidecar.settings" . | fromJson) | sha256sum | trunc 16 | quote }}
{{- include "countersign.keys.annotations" (dict "keys" $values.keys "container" "countersign") }}
{{- end -}}

{{/* What the pod needs beside the container. Your own chart may set more of `securityContext`: then take these in there. */}}
{{- define "countersign.sidecar.pod" -}}
# countersign calls no Kubernetes API.
automountServiceAccountToken: false
# A Service's name must not become a COUNTERSIGN_... variable.
enableServiceLinks: false
securityContext:
  {{- include "countersign.sidecar.podSecurityContext" . | nindent 2 }}
{{- end -}}

{{- define "countersign.sidecar.podSecurityContext" -}}
runAsNonRoot: true
# The kubelet gives Secret files to root and this group: 0400 becomes root:65532 0440, the one case of a group-readable key
# file that countersign accepts.
fsGroup: {{ (include "countersign.sidecar.values" . | fromJson).securityContext.runAsGroup }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* A native sidecar: an init container that is restarted always. It is ready before the app starts, and ends after it. */}}
{{- define "countersign.sidecar.container" -}}
{{- $values := include "countersign.sidecar.values" . | fromJson -}}
{{- $settings := include "countersign.sidecar.settings" . | fromJson -}}
{{- $version := (index .Subcharts "countersign-sidecar").Chart.AppVersion -}}
- name: countersign
  image: {{ include "countersign.image" (dict "values" $values "settings" $settings "version" $version) }}
  imagePullPolicy: {{ $values.image.pullPolicy }}
  restartPolicy: Always
  args: [run, --config, /etc/countersign/countersign.toml]
  {{- with $values.extraEnv }}
  env: {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    # The listener's is not listed: nobody outside the pod can reach it.
    - name: cs-admin
      containerPort: {{ include "countersign.port" $settings.admin.address }}
      protocol: TCP
  # Holds the app back until the key is loaded; then the container is restarted.
  {{- include "countersign.probes" (dict "probes" $values.probes "starts" "/readyz") | nindent 2 }}
  resources: {{- toYaml $values.resources | nindent 4 }}
  securityContext: {{- toYaml $values.securityContext | nindent 4 }}
  volumeMounts:
    - name: countersign-config
      mountPath: /etc/countersign
      readOnly: true
    {{- with include "countersign.keys.mounts" $values.keys | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with $values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- define "countersign.sidecar.volumes" -}}
{{- $values := include "countersign.sidecar.values" . | fromJson -}}
- name: countersign-config
  configMap:
    name: {{ include "countersign.sidecar.configMapName" . }}
    defaultMode: 0444
{{- include "countersign.keys.volumes" $values.keys }}
{{- end -}}
