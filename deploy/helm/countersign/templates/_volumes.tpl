{{/* Volumes and mounts of countersign's container. Whole directories, no subPath: such a mount sees no change. */}}

{{- define "countersign.mounts" -}}
- name: countersign-config
  mountPath: /etc/countersign
  readOnly: true
{{- include "countersign.keys.mounts" (include "countersign.given" .Values.keys | fromJson) }}
{{- range $listener, $tls := (include "countersign.given" .Values.tls | fromJson) }}
- name: countersign-tls-{{ $listener | replace "_" "-" }}
  mountPath: {{ include "countersign.tls.directory" $listener }}
  readOnly: true
{{- if $tls.clientCaSecretName }}
- name: countersign-clients-{{ $listener | replace "_" "-" }}
  mountPath: {{ include "countersign.tls.directory" $listener }}-clients
  readOnly: true
{{- end }}
{{- end }}
{{- if include "countersign.asksApi" (include "countersign.settings" . | fromJson) }}
- name: countersign-api
  mountPath: /run/secrets/countersign-api
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "countersign.volumes" -}}
# One volume with the files of conf.d in it: a mount of their own could not be made below this one, which is read-only.
- name: countersign-config
  projected:
    defaultMode: 0444
    sources:
      - configMap:
          name: {{ include "countersign.fullname" . }}
      {{- range $name, $file := (include "countersign.given" .Values.confD | fromJson) }}
      - configMap:
          name: {{ $file.configMap | quote }}
          optional: {{ ternary $file.optional true (hasKey $file "optional") }}
          items:
            - key: {{ $file.key | default (printf "%s.toml" $name) }}
              path: conf.d/{{ $name }}.toml
      {{- end }}
{{- include "countersign.keys.volumes" (include "countersign.given" .Values.keys | fromJson) }}
{{- range $listener, $tls := (include "countersign.given" .Values.tls | fromJson) }}
- name: countersign-tls-{{ $listener | replace "_" "-" }}
  secret:
    secretName: {{ include "countersign.tls.secret" (dict "root" $ "listener" $listener "tls" $tls) | quote }}
    defaultMode: 0400
{{- with $tls.clientCaSecretName }}
- name: countersign-clients-{{ $listener | replace "_" "-" }}
  secret:
    secretName: {{ . | quote }}
    defaultMode: 0400
    # not the authority's own key, which a Secret of cert-manager has beside it
    items:
      - key: ca.crt
        path: ca.crt
{{- end }}
{{- end }}
{{- if include "countersign.asksApi" (include "countersign.settings" . | fromJson) }}
# A token of its own with which to fetch the keys of other tokens, instead of the one that every container would get.
- name: countersign-api
  projected:
    defaultMode: 0400
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3600
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "countersign.tls.secret" -}}
{{- $own := printf "%s-%s-tls" (include "countersign.fullname" .root) (.listener | replace "_" "-") -}}
{{- if not (or .tls.secretName .tls.certManager) -}}
{{-   $what := "name a Secret with tls.crt and tls.key in `secretName`, or an issuer in `certManager.issuerRef`" -}}
{{-   fail (printf "\n\ntls.%s: %s.\n" .listener $what) -}}
{{- end -}}
{{- .tls.secretName | default $own -}}
{{- end -}}
