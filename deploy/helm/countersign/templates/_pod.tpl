{{/*
The pod: the gateway's, and with other `args` the one of `helm test`.
  {{ include "countersign.pod" (dict "root" $ "settings" $settings "args" (list "run") "serves" true) }}
*/}}
{{- define "countersign.pod" -}}
{{- $root := .root -}}
{{- $values := .root.Values -}}
serviceAccountName: {{ include "countersign.serviceAccountName" $root | quote }}
automountServiceAccountToken: {{ $values.serviceAccount.automount }}
# A Service's name must not become a COUNTERSIGN_... variable.
enableServiceLinks: false
{{- with $values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.podSecurityContext }}
securityContext: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if kindIs "bool" $values.hostUsers }}
hostUsers: {{ $values.hostUsers }}
{{- end }}
{{- range $field := list "priorityClassName" "runtimeClassName" }}
{{- with get $values $field }}
{{ $field }}: {{ . | quote }}
{{- end }}
{{- end }}
{{- range $field := list "nodeSelector" "tolerations" "affinity" "dnsConfig" }}
{{- with get $values $field }}
{{ $field }}: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with $values.extraInitContainers }}
initContainers: {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - {{ include "countersign.gateway" . | nindent 4 | trim }}
volumes: {{- include "countersign.volumes" $root | nindent 2 }}
{{- end -}}

{{- define "countersign.gateway" -}}
{{- $values := .root.Values -}}
name: countersign
image: {{ include "countersign.image" (dict "values" $values "settings" .settings "version" .root.Chart.AppVersion) }}
imagePullPolicy: {{ $values.image.pullPolicy }}
args: {{- toYaml .args | nindent 2 }}
{{- with $values.extraEnv }}
env: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .serves }}
ports:
  {{- range include "countersign.ports" .settings | fromJsonArray }}
  - name: {{ .name }}
    containerPort: {{ .port }}
    protocol: TCP
  {{- end }}
  - name: cs-admin
    containerPort: {{ include "countersign.adminPort" .settings }}
    protocol: TCP
# Started is what responds. A pod whose key is not there yet, or has expired, gets no calls and waits for it: a restart
# brings no key, and the pauses between restarts would last on when the key has come.
{{ include "countersign.probes" (dict "probes" $values.probes "starts" "/livez") }}
{{- if include "countersign.sleeps" .root }}
# The pod leaves the Service's endpoints meanwhile; no shell is in the image, so the kubelet sleeps.
lifecycle:
  preStop:
    sleep:
      seconds: {{ $values.preStopSleepSeconds }}
{{- end }}
{{- end }}
resources: {{- toYaml $values.resources | nindent 2 }}
securityContext: {{- toYaml $values.securityContext | nindent 2 }}
volumeMounts: {{- include "countersign.mounts" .root | nindent 2 }}
{{- end -}}

{{- define "countersign.sleeps" -}}
{{- $known := semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version -}}
{{- if and $known (gt (int .Values.preStopSleepSeconds) 0) }}true{{ end -}}
{{- end -}}

{{- define "countersign.grace" -}}
{{- $drain := include "countersign.seconds" ((.settings.process | default dict).drain | default "25s") | int -}}
{{- $delay := include "countersign.seconds" ((.settings.process | default dict).drain_delay | default "0s") | int -}}
{{- $sleep := ternary .root.Values.preStopSleepSeconds 0 (not (empty (include "countersign.sleeps" .root))) -}}
{{- $given := .root.Values.terminationGracePeriodSeconds -}}
{{- if and $given (lt (int $given) (add $delay $drain $sleep | int)) -}}
{{-   fail (printf "\n\nterminationGracePeriodSeconds is %v: a pod would be killed with calls under way. They get %v s (config.process.drain)\nafter a sleep of %v s (preStopSleepSeconds) and %v s (config.process.drain_delay): lower these, or set it to %v.\n" $given $drain $sleep $delay (add $delay $drain $sleep 5)) -}}
{{- end -}}
{{- $given | default (add $delay $drain $sleep 5) -}}
{{- end -}}
