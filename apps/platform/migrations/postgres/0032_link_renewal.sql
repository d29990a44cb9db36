-- A device may renew over the connection that stands, beside EST: the log says which way a certificate came.
alter table enrollment.attempt drop constraint attempt_operation_check;
alter table enrollment.attempt add constraint attempt_operation_check
  check (operation in ('simpleenroll', 'simplereenroll', 'link_renewal', 'connect', 'attest'));
