{{/*
What a running countersign cannot change, of a configuration: listeners' addresses, [admin], [audit], and so on
(src/app/reload/restart.rs). Its digest is an annotation of the pods: a change of anything else is read by the pods that
run, and a change of this replaces them. A file that the chart does not see, such as one of conf.d, is not in it.
  {{ include "countersign.restart" $settings }}
*/}}
{{- define "countersign.restart" -}}
{{- $parts := dict "admin" .admin "audit" .audit -}}
{{- $process := .process | default dict -}}
{{- $_ := set $parts "process" (pick $process "workers" "danger_unconfined" "danger_writable_files") -}}
{{- $_ := set $parts "log" ((.log | default dict).format | default "human") -}}
{{- if .rates }}{{ $_ := set $parts "rates" .rates }}{{ end -}}
{{- if (.trace | default dict).endpoint -}}
{{-   $_ := set $parts "trace" (omit .trace "forward" "sample_ratio" "parent_based") -}}
{{- end -}}
{{- $listeners := dict -}}
{{- range $name, $listener := .listener | default dict -}}
{{-   $owner := has "loopback-owner" ($listener.authenticate | default list) -}}
{{-   $_ := set $listeners $name (dict "socket" (pick $listener "address" "only_v6" "mode" "group") "owner" $owner) -}}
{{- end -}}
{{- $_ := set $parts "listeners" $listeners -}}
{{- $_ := set $parts "hops" (include "countersign.hops" . | fromJsonArray) -}}
{{- $_ := set $parts "directories" (include "countersign.directories" . | fromJsonArray) -}}
{{- $programs := dict -}}
{{- range $name, $key := .key | default dict -}}
{{-   $kind := $key.kind | default "sealed" -}}
{{-   if has $kind (list "process" "aws" "pkcs11") }}{{ $_ := set $programs $name $key }}{{ end -}}
{{- end -}}
{{- $_ := set $parts "programs" $programs -}}
{{- toJson $parts -}}
{{- end -}}

{{/* The port of "HOST:PORT" or of a URL. */}}
{{- define "countersign.port" -}}
{{- $explicit := regexFind ":[0-9]+(/.*)?$" . | trimPrefix ":" | regexFind "^[0-9]+" -}}
{{- if $explicit }}{{ $explicit }}{{ else if hasPrefix "http:" (lower .) }}80{{ else }}443{{ end -}}
{{- end -}}

{{/* The table of each route, and those of its fallbacks. JSON. */}}
{{- define "countersign.endpoints" -}}
{{- $endpoints := list -}}
{{- range $route := .route | default dict -}}
{{-   $endpoints = concat $endpoints (list $route) ($route.fallback | default list) -}}
{{- end -}}
{{- toJson $endpoints -}}
{{- end -}}

{{/*
Where connections are made to: for each endpoint of a route and each issuer of tokens a port, "unix" or "environment".
JSON, in order.
*/}}
{{- define "countersign.hops" -}}
{{- $hops := list -}}
{{- range $endpoint := include "countersign.endpoints" . | fromJsonArray -}}
{{-   if eq ($endpoint.egress | default "direct") "environment" -}}
{{-     $hops = concat $hops (list "environment" (include "countersign.port" ($endpoint.endpoint | default ""))) -}}
{{-   else if ne ($endpoint.egress | default "direct") "direct" -}}
{{-     $hops = append $hops (include "countersign.port" $endpoint.egress) -}}
{{-   else if hasPrefix "unix:" ($endpoint.connect | default "") -}}
{{-     $hops = append $hops "unix" -}}
{{-   else -}}
{{-     $target := $endpoint.connect | default $endpoint.endpoint | default "" -}}
{{-     $hops = append $hops (include "countersign.port" $target) -}}
{{-   end -}}
{{-   if and (not $endpoint.ca_file) (hasPrefix "https:" (lower ($endpoint.endpoint | default ""))) -}}
{{-     $hops = append $hops "platform-roots" -}}
{{-   end -}}
{{- end -}}
{{- range $listener := .listener | default dict -}}
{{-   $keys := ($listener.service_account | default dict).jwks_url -}}
{{-   if $keys }}{{ $hops = append $hops (include "countersign.port" $keys) }}{{ end -}}
{{- end -}}
{{- $hops | uniq | sortAlpha | toJson -}}
{{- end -}}

{{/* The directories of the files that the configuration names. JSON, in order. */}}
{{- define "countersign.directories" -}}
{{- $paths := list -}}
{{- $tables := include "countersign.endpoints" . | fromJsonArray -}}
{{- $tables = concat $tables (values (.key | default dict)) (list (.trace | default dict)) -}}
{{- range $listener := .listener | default dict -}}
{{-   $tables = append $tables ($listener.tls | default dict) -}}
{{-   $tables = append $tables ($listener.service_account | default dict) -}}
{{- end -}}
{{- $settings := list "ca_file" "client_certificate" "client_key" "egress_ca_file" "egress_credentials_file" "file" -}}
{{- $settings = concat $settings (list "identity_file" "headers_file" "certificate" "private_key" "client_ca" "crl") -}}
{{- $settings = concat $settings (list "jwks_file" "jwks_ca_file" "jwks_token_file" "pin_file") -}}
{{- range $table := $tables -}}
{{-   range $setting := $settings -}}
{{-     $value := get $table $setting -}}
{{-     range $path := ternary $value (list $value) (kindIs "slice" $value) -}}
{{-       if $path }}{{ $paths = append $paths (dir (toString $path)) }}{{ end -}}
{{-     end -}}
{{-   end -}}
{{- end -}}
{{- range $grants := .conf_d | default dict }}{{ $paths = concat $paths ($grants.files | default list) }}{{ end -}}
{{- $paths | uniq | sortAlpha | toJson -}}
{{- end -}}
