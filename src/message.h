/* SPDX-License-Identifier: MIT */
#pragma once

/* What an operator may want to act on, by identifiers that stay the same whatever the text becomes:
 * "journalctl MESSAGE_ID=...", alert rules. systemd/eatr.catalog explains each (sd_journal_send(3),
 * https://systemd.io/CATALOG/). */

/* Eatr has started and says what it works with. */
#define MESSAGE_STARTED "0650d84711b445d49b9f3dfa1b3458bc"
/* It was told to stop. */
#define MESSAGE_STOPPING "1e7e696e3db148c2af9dc41cbc301f3a"
/* Nobody has put anything into the configuration yet. */
#define MESSAGE_NOT_CONFIGURED "d402766db066455796add4b0c39a6667"
/* The configuration cannot work: eatr does not start. */
#define MESSAGE_CONFIGURATION_BAD "6bc14dd95c9d4a6fb7c0ab3ec7d5591d"
/* A new configuration is in force. */
#define MESSAGE_RELOADED "47a34dc86dbb4b278de066879d0316ca"
/* A new configuration is bad, the old one stays in force. */
#define MESSAGE_RELOAD_REFUSED "90522d764f6c43dcbd361e5c2273ba2b"
/* The address for /metrics cannot be listened on. */
#define MESSAGE_METRICS_UNAVAILABLE "271bd523830b43b482ebe92dbd8f1822"
/* Something has stopped to go on, the watchdog is let bite. */
#define MESSAGE_STUCK "88fd7f3a879f48c981b792a51c15604e"
/* ECR gave a new token. */
#define MESSAGE_TOKEN_NEW "bde5d54d6d83485c809b8fbb0f0b0cd4"
/* No new token, but the current one is good. */
#define MESSAGE_TOKEN_KEPT "2a9b37405ce143549f211568db72f5c2"
/* No new token, and none that is good. */
#define MESSAGE_TOKEN_LACKING "1d63d8513db54f3b9f5ff5f30493c9e7"
/* A token has run out, and there is none in its place. */
#define MESSAGE_TOKEN_EXPIRED "6918515a291e4fb9ad5c3a3b1916664a"
/* The registry takes the token. */
#define MESSAGE_PULL_GOOD "fc2afaa3dc054cd590fa9105c3302192"
/* The registry does not take the token. */
#define MESSAGE_PULL_REFUSED "08ec28c2cdaf470e9eb17f2cc984b0b3"
/* The registry cannot be asked whether it takes the token. */
#define MESSAGE_PULL_UNCLEAR "fb93257828754d83a562b10ef94484e4"
/* The certificate for IAM Roles Anywhere expires soon. */
#define MESSAGE_CERTIFICATE_AGES "6c98e49b47ea4232b911700410b87905"
/* The Secret of the cluster that AWS keys are kept in is of no use. */
#define MESSAGE_KEYS_LACKING "cca1cb69e210401e94c189867b4bfdf7"
/* This host's clock is not AWS's. */
#define MESSAGE_CLOCK_SKEWED "996ec58c2afd489c80ad63410938aa53"
/* Nothing can be got to show to the API server. */
#define MESSAGE_CREDENTIALS_LACKING "1ff1d3b0e0b74327901efbcb6c353095"
/* The client certificate of the kubeconfig expires soon, or has. */
#define MESSAGE_KUBECONFIG_AGES "81c0eddffa9c48d498289fec873b56a9"
/* Namespaces or Secrets cannot be read. */
#define MESSAGE_READING_FAILED "1a02d01c2629431093f87b1922163051"
/* The API server takes no writes at all. */
#define MESSAGE_WRITING_FAILED "388bbd59084542a5b728511e1c24e57f"
/* Every namespace has been seen to with the current token. */
#define MESSAGE_PASS_DONE "360e7396a1ba4dcca1effdea3684707d"
/* A Secret that somebody deleted or edited is back. */
#define MESSAGE_SECRET_HEALED "0773a801f2474bdab0ab3a9fb01b7bf3"
/* One namespace's Secret cannot be written. */
#define MESSAGE_SECRET_FAILED "dc922bc1f2534c5783126e4f19e18ced"
/* A Secret of eatr's name is somebody else's. */
#define MESSAGE_SECRET_FOREIGN "211d1521a94d4ab88860ca6c6bdb446d"
/* A Secret of eatr's name cannot be changed. */
#define MESSAGE_SECRET_REFUSED "32471d562fbc437a8962367d831a5ec6"
/* Events cannot be written. */
#define MESSAGE_EVENTS_LACKING "4e3f4185608741e390a2fd52f79f790d"
/* Something keeps undoing what eatr writes. */
#define MESSAGE_SECRET_FOUGHT_OVER "35b87c666bfb40ed823525184f190b0a"
/* Somebody else's Secret is eatr's now. */
#define MESSAGE_SECRET_ADOPTED "674265cbaf1f4bd8aafaa3e32e415c8d"
/* A Secret has been deleted. */
#define MESSAGE_SECRET_DELETED "63af505fe57f40dd8ac861eff38b023b"
/* The ResourceQuota of a namespace leaves no room for its Secret. */
#define MESSAGE_SECRET_QUOTA "ba7713bacc9c46858d637c4bed1499a5"
/* A policy of the cluster forbids a namespace's Secret. */
#define MESSAGE_SECRET_DENIED "0bc4104956c3473688c11847632d7025"
/* A service account cannot be given the entry in imagePullSecrets, or cannot lose it. */
#define MESSAGE_ACCOUNT_FAILED "1b090fdcdc9349a5b7580691e7f78861"
/* Something keeps taking eatr's entry out of a service account. */
#define MESSAGE_ACCOUNT_FOUGHT_OVER "708a7fc7ad1c4febb74eb4df86fa6a83"
