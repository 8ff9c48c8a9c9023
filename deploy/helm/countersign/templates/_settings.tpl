{{/*
The configuration as one map, as JSON: of the values `config`, completed by what only the chart knows, or `configText`.
  {{ $settings := include "countersign.settings" . | fromJson }}
*/}}
{{- define "countersign.settings" -}}
{{- $settings := dict -}}
{{- if .Values.configText -}}
{{-   $settings = fromToml .Values.configText -}}
{{-   with $settings.Error }}{{ fail (printf "configText is not TOML: %s" .) }}{{ end -}}
{{- else -}}
{{-   $settings = include "countersign.completed" . | fromJson -}}
{{- end -}}
{{- include "countersign.refusals" $settings -}}
{{- range $name, $tls := (include "countersign.given" .Values.tls | fromJson) -}}
{{-   if not (hasKey ($settings.listener | default dict) $name) -}}
{{-     fail (printf "\n\ntls.%s: there is no listener of this name in the configuration.\n" $name) -}}
{{-   end -}}
{{- end -}}
{{- toJson $settings -}}
{{- end -}}

{{- define "countersign.completed" -}}
{{- $settings := include "countersign.given" .Values.config | fromJson -}}
{{- $keys := include "countersign.keys.settings" (include "countersign.given" .Values.keys | fromJson) | fromJson -}}
{{- $_ := set $settings "key" (merge (deepCopy ($settings.key | default dict)) $keys) -}}
{{- with (include "countersign.given" .Values.confD | fromJson) -}}
{{-   $grants := dict -}}
{{-   range $name, $file := . }}{{ $_ := set $grants $name (pick $file "keys" "hosts" "routes" "identities" "files") }}{{ end -}}
{{-   $_ := set $settings "conf_d" (merge (deepCopy ($settings.conf_d | default dict)) $grants) -}}
{{- end -}}
{{- $listeners := dict -}}
{{- range $name, $listener := $settings.listener | default dict -}}
{{-   $completed := include "countersign.listener" (dict "root" $ "name" $name "listener" $listener) -}}
{{-   $_ := set $listeners $name (fromJson $completed) -}}
{{- end -}}
{{- $_ := set $settings "listener" $listeners -}}
{{- range $table := list "client" "route" "key" "conf_d" -}}
{{-   if not (get $settings $table) }}{{ $_ := unset $settings $table }}{{ end -}}
{{- end -}}
{{- toJson $settings -}}
{{- end -}}

{{/* A listener with the Service's names in `hosts`, its certificate, and where the keys of tokens are fetched. */}}
{{- define "countersign.listener" -}}
{{- $listener := deepCopy .listener -}}
{{- if include "countersign.outside" $listener -}}
{{-   $names := include "countersign.serviceNames" .root | fromJsonArray -}}
{{-   $hosts := $listener.hosts | default list -}}
{{-   range $names }}{{ $hosts = append $hosts (printf "%s:*" .) }}{{ end -}}
{{-   $_ := set $listener "hosts" (uniq $hosts) -}}
{{- end -}}
{{- with get (include "countersign.given" .root.Values.tls | fromJson) .name -}}
{{-   $from := include "countersign.tls.directory" $.name -}}
{{-   $tls := dict "certificate" (printf "%s/tls.crt" $from) "private_key" (printf "%s/tls.key" $from) -}}
{{-   if or .clientCa .clientCaSecretName -}}
{{-     $ca := ternary (printf "%s-clients" $from) $from (not (empty .clientCaSecretName)) -}}
{{-     $_ := set $tls "client_ca" (printf "%s/ca.crt" $ca) -}}
{{-   end -}}
{{-   with .sessionLifetime }}{{ $_ := set $tls "session_lifetime" . }}{{ end -}}
{{-   $_ := set $listener "tls" (merge (deepCopy ($listener.tls | default dict)) $tls) -}}
{{- end -}}
{{- if has "service-account" ($listener.authenticate | default list) -}}
{{-   $tokens := $listener.service_account | default dict -}}
{{-   if not (or $tokens.jwks_url $tokens.jwks_file) -}}
{{-     $_ := set $tokens "jwks_url" "https://kubernetes.default.svc/openid/v1/jwks" -}}
{{-     $_ := set $tokens "jwks_ca_file" "/run/secrets/countersign-api/ca.crt" -}}
{{-     $_ := set $tokens "jwks_token_file" "/run/secrets/countersign-api/token" -}}
{{-   end -}}
{{-   $_ := set $listener "service_account" $tokens -}}
{{- else -}}
{{-   $_ := unset $listener "service_account" -}}
{{- end -}}
{{- toJson $listener -}}
{{- end -}}

{{/* The names by which clients call the Service, as JSON. */}}
{{- define "countersign.serviceNames" -}}
{{- $name := include "countersign.fullname" . -}}
{{- $here := printf "%s.%s" $name .Release.Namespace -}}
{{- list $name $here (printf "%s.svc" $here) (printf "%s.svc.%s" $here .Values.service.clusterDomain) | toJson -}}
{{- end -}}

{{- define "countersign.tls.directory" -}}
/run/secrets/countersign-tls-{{ . | replace "_" "-" }}
{{- end -}}

{{/* Whether a listener fetches the keys of tokens from this cluster's API server. */}}
{{- define "countersign.asksApi" -}}
{{- range .listener | default dict -}}
{{-   $keys := (.service_account | default dict).jwks_url | default "" -}}
{{-   if hasPrefix "https://kubernetes.default" $keys }}true{{ end -}}
{{- end -}}
{{- end -}}

{{/* The listeners that the network reaches: [{name, port, https}], as JSON. The name is one of a port. */}}
{{- define "countersign.ports" -}}
{{- $ports := list -}}
{{- $listeners := .listener | default dict -}}
{{- range $name := keys $listeners | sortAlpha -}}
{{-   $listener := get $listeners $name -}}
{{-   $address := include "countersign.outside" $listener -}}
{{-   if $address -}}
{{-     $word := printf "cs-%s" (regexReplaceAll "[_-]+" $name "-") | trunc 15 | trimSuffix "-" -}}
{{-     range $other := append $ports (dict "name" "cs-admin" "listener" "[admin]") -}}
{{-       if eq $other.name $word -}}
{{-         fail (printf "\n\nThe ports of %s and of the listener `%s` would both be called %s, which has at most 15 characters: name\nthe listener otherwise, so that the first 12 characters of its name differ from those of others.\n" $other.listener $name $word) -}}
{{-       end -}}
{{-     end -}}
{{-     $port := include "countersign.port" $address | int -}}
{{-     $ports = append $ports (dict "listener" $name "name" $word "port" $port "https" (not (empty $listener.tls))) -}}
{{-   end -}}
{{- end -}}
{{- toJson $ports -}}
{{- end -}}

{{- define "countersign.adminPort" -}}
{{- $address := (.admin | default dict).address -}}
{{- if kindIs "slice" $address -}}
{{-   $outside := "" -}}
{{-   range $address }}{{ if not (include "countersign.inside" .) }}{{ $outside = . }}{{ end }}{{ end -}}
{{-   $address = $outside -}}
{{- end -}}
{{- include "countersign.port" ($address | default "") -}}
{{- end -}}
