# A Vault Agent or OpenBao Agent that keeps /run/countersign-key/key.json fresh. It runs as countersign's own user, or
# as root with `user` and `group` in the template; the directory must be there before countersign starts, the file may
# come later.

vault {
  address = "https://vault.example.internal:8200"
}

auto_auth {
  method "approle" {
    config = {
      role_id_file_path   = "/etc/countersign-vault/role-id"
      secret_id_file_path = "/etc/countersign-vault/secret-id"
    }
  }
}

# The AWS secrets engine, credential type iam_user: a key of its own, which the agent replaces when its lease ends.
template {
  destination = "/run/countersign-key/key.json"
  perms       = "0400"
  contents    = <<EOT
{{ with secret "aws/creds/countersign" -}}
{
  "Version": 1,
  "AccessKeyId": {{ .Data.access_key | toJSON }},
  "SecretAccessKey": {{ .Data.secret_key | toJSON }}
}
{{- end }}
EOT
}

# Instead of it, a key that people put into the key-value store, version 2:
#
# template {
#   destination = "/run/countersign-key/key.json"
#   perms       = "0400"
#   contents    = <<EOT
# {{ with secret "secret/data/countersign" -}}
# {
#   "Version": 1,
#   "AccessKeyId": {{ .Data.data.access_key_id | toJSON }},
#   "SecretAccessKey": {{ .Data.data.secret_access_key | toJSON }}
# }
# {{- end }}
# EOT
# }
