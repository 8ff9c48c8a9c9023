{{/*
What the container is in the gateway and as a sidecar.
*/}}

{{/* The image of the values `image`; with a key of AWS the build that can fetch it. */}}
{{- define "countersign.image" -}}
{{- $image := .values.image -}}
{{- $aws := false -}}
{{- range $key := .settings.key | default dict -}}
{{-   if eq ($key.kind | default "sealed") "aws" }}{{ $aws = true }}{{ end -}}
{{- end -}}
{{- if and $aws (eq $image.variant "plain") -}}
{{-   fail "image.variant is plain, and a key has the kind aws: only the build `aws` can fetch it" -}}
{{- end -}}
{{- $suffix := ternary "-aws" "" (or (eq $image.variant "aws") (and $aws (eq $image.variant "auto"))) -}}
{{- if $image.digest -}}
{{-   printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{-   printf "%s:%s" $image.repository ($image.tag | default (printf "%s%s" .version $suffix)) -}}
{{- end -}}
{{- end -}}

{{/*
The probes, all of the admin listener. `starts` is the path that says whether the container has started.
  {{ include "countersign.probes" (dict "probes" $values.probes "starts" "/livez") }}
*/}}
{{- define "countersign.probes" -}}
startupProbe:
  httpGet:
    path: {{ .starts }}
    port: cs-admin
  {{- toYaml .probes.startup | nindent 2 }}
# Not ready after SIGTERM, or when no route has a usable key.
readinessProbe:
  httpGet:
    path: /readyz
    port: cs-admin
  {{- toYaml .probes.readiness | nindent 2 }}
# Says only that the process responds; never depends on the endpoint, whose outage no restart mends.
livenessProbe:
  httpGet:
    path: /livez
    port: cs-admin
  {{- toYaml .probes.liveness | nindent 2 }}
{{- end -}}

{{/* A duration of the configuration in whole seconds, rounded up. */}}
{{- define "countersign.seconds" -}}
{{- $number := regexFind "^[0-9]+" . | int -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- if eq $unit "ms" }}{{ div (add $number 999) 1000 }}
{{- else if eq $unit "m" }}{{ mul $number 60 }}
{{- else if eq $unit "h" }}{{ mul $number 3600 }}
{{- else }}{{ $number }}{{ end -}}
{{- end -}}

{{/* Whether an address is one that the pod's containers alone reach. */}}
{{- define "countersign.inside" -}}
{{- if regexMatch "^(127\\.|\\[::1\\]|unix:|systemd:)" . }}true{{ end -}}
{{- end -}}

{{/* The first address of a listener that more than the pod's containers reach, or nothing. Of "address", one or several. */}}
{{- define "countersign.outside" -}}
{{- $address := .address | default "127.0.0.1:8021" -}}
{{- $outside := "" -}}
{{- range ternary $address (list $address) (kindIs "slice" $address) -}}
{{-   if not (or $outside (include "countersign.inside" .)) }}{{ $outside = . }}{{ end -}}
{{- end -}}
{{- $outside -}}
{{- end -}}
