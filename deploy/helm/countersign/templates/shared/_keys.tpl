{{/*
Keys by their names, as the values have them: what of them stands in the configuration, in volumes, in mounts and in
annotations. Each gets the map `keys`.
*/}}

{{/* The key called main is mounted where the samples of deploy/kubernetes have it; others beside it. */}}
{{- define "countersign.key.suffix" -}}
{{- if ne . "main" }}-{{ . | replace "_" "-" }}{{ end -}}
{{- end -}}

{{- define "countersign.key.directory" -}}
/run/secrets/countersign{{ include "countersign.key.suffix" . }}
{{- end -}}

{{/* The tables [key.NAME], as JSON. */}}
{{- define "countersign.keys.settings" -}}
{{- $tables := dict -}}
{{- range $name, $key := . -}}
{{-   if ne (len $key) 1 -}}
{{-     $what := "give one source of `secret`, `csi`, `vault` and `aws`, and set the others to null" -}}
{{-     fail (printf "\n\nkeys.%s: %s.\n" $name $what) -}}
{{-   end -}}
{{-   $directory := include "countersign.key.directory" $name -}}
{{-   $files := $key.secret | default $key.csi -}}
{{-   if $key.aws -}}
{{-     $_ := set $tables $name (merge (dict "kind" "aws") $key.aws) -}}
{{-   else if $key.vault -}}
{{-     $file := printf "%s/%s.json" ($key.vault.directory | default "/vault/secrets") $name -}}
{{-     $_ := set $tables $name (dict "kind" "file" "file" $file) -}}
{{-   else if $files.file -}}
{{-     $_ := set $tables $name (dict "kind" "file" "file" (printf "%s/%s" $directory $files.file)) -}}
{{-   else -}}
{{-     $sealed := printf "%s/%s" $directory ($files.sealed | default (printf "%s.age" $name)) -}}
{{-     $identity := printf "%s/%s" $directory ($files.identity | default "identity") -}}
{{-     $_ := set $tables $name (dict "file" $sealed "identity_file" $identity) -}}
{{-   end -}}
{{- end -}}
{{- toJson $tables -}}
{{- end -}}

{{/* The whole directories, no subPath: a subPath mount never sees a new key. */}}
{{- define "countersign.keys.mounts" -}}
{{- range $name, $key := . }}
{{- if or $key.secret $key.csi }}
- name: countersign-key{{ include "countersign.key.suffix" $name }}
  mountPath: {{ include "countersign.key.directory" $name }}
  readOnly: true
{{- end }}
{{- if and $key.csi ($key.csi | default dict).secret }}
# The driver fills the Secret only while its volume is mounted.
- name: countersign-csi{{ include "countersign.key.suffix" $name }}
  mountPath: /mnt/secrets-store{{ include "countersign.key.suffix" $name }}
  readOnly: true
{{- end }}
{{- end }}
{{- end -}}

{{- define "countersign.keys.volumes" -}}
{{- range $name, $key := . }}
{{- $suffix := include "countersign.key.suffix" $name }}
{{- with $key.secret }}
- name: countersign-key{{ $suffix }}
  secret:
    secretName: {{ .name | quote }}
    defaultMode: 0400
{{- end }}
{{- with $key.csi }}
{{- if .secret }}
- name: countersign-key{{ $suffix }}
  secret:
    secretName: {{ .secret | quote }}
    defaultMode: 0400
{{- end }}
- name: countersign-{{ ternary "csi" "key" (not (empty .secret)) }}{{ $suffix }}
  csi:
    driver: {{ .driver | default "secrets-store.csi.k8s.io" }}
    readOnly: true
    volumeAttributes:
      secretProviderClass: {{ .secretProviderClass | quote }}
{{- end }}
{{- end }}
{{- with include "countersign.keys.vault" . | fromJson }}
# The injector's agent logs in with this token; no other container gets it.
- name: countersign-vault-token
  projected:
    defaultMode: 0444
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3600
          {{- with .audience }}
          audience: {{ . }}
          {{- end }}
{{- end }}
{{- end -}}

{{/* What the keys of Vault have in common, as JSON: one agent fetches them all. Empty where there is none. */}}
{{- define "countersign.keys.vault" -}}
{{- $common := dict -}}
{{- range $name, $key := . -}}
{{-   with $key.vault -}}
{{-     $prefix := .annotationPrefix | default "vault.hashicorp.com" -}}
{{-     $own := dict "role" .role "prefix" $prefix "audience" (.audience | default "") -}}
{{-     if and $common (ne (toJson $common) (toJson $own)) -}}
{{-       $why := "one agent fetches all keys, so that role, audience and annotationPrefix are those of the others" -}}
{{-       fail (printf "\n\nkeys.%s.vault: %s.\n" $name $why) -}}
{{-     end -}}
{{-     $common = $own -}}
{{-   end -}}
{{- end -}}
{{- toJson $common -}}
{{- end -}}

{{/*
The annotations for the injector: countersign's user and mode 0400, because countersign refuses a key that others in the
pod can read; no other container gets the directory. `container` is the name of countersign's container.
  {{ include "countersign.keys.annotations" (dict "keys" $keys "container" "countersign") }}
*/}}
{{- define "countersign.keys.annotations" -}}
{{- with include "countersign.keys.vault" .keys | fromJson }}
{{- $prefix := .prefix }}
{{ $prefix }}/agent-inject: "true"
{{ $prefix }}/role: {{ .role | quote }}
{{ $prefix }}/agent-init-first: "true"
{{ $prefix }}/agent-inject-containers: {{ $.container }}
{{ $prefix }}/agent-run-as-user: "65532"
{{ $prefix }}/agent-run-as-group: "65532"
{{ $prefix }}/agent-service-account-token-volume-name: countersign-vault-token
{{- range $name, $key := $.keys }}
{{- with $key.vault }}
{{ $prefix }}/agent-inject-perms-{{ $name }}.json: "0400"
{{ $prefix }}/agent-inject-secret-{{ $name }}.json: {{ .secret | quote }}
{{- $template := .template | default (include "countersign.keys.template" .secret) }}
{{ $prefix }}/agent-inject-template-{{ $name }}.json: {{ toRawJson $template }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The template of the agent for a key of the AWS secrets engine. */}}
{{- define "countersign.keys.template" -}}
{{ printf "{{ with secret %q -}}" . }}
{
  "Version": 1,
  "AccessKeyId": {{ "{{ .Data.access_key | toJSON }}" }},
  "SecretAccessKey": {{ "{{ .Data.secret_key | toJSON }}" }}
}
{{ "{{- end }}" }}
{{- end -}}
