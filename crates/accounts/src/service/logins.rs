use super::{Accounts, Session};
use crate::error::{LoginError, RegisterError, StoreError};
use crate::hasher::Checked;
use crate::rate_limit::Scope;
use crate::sql;
use crate::sql::user::Kind;
use crate::validate::{Email, Password, Registration};

impl Accounts {
    /// Makes an account and logs it in.
    ///
    /// # Errors
    /// See [`RegisterError`].
    pub async fn register(
        &self,
        email: &str,
        password: String,
        name: &str,
    ) -> Result<Session, RegisterError> {
        let registration = Registration::parse(email, password, name)?;
        let Registration { email, password, name } = registration;
        let hash = self.inner.hasher.hash(password).await.map_err(RegisterError::Hash)?;
        let now = self.now();
        let mut transaction = self.inner.pool.begin().await.map_err(StoreError::from)?;
        let user = sql::user::insert(&mut *transaction, name.as_str(), Kind::Account, now)
            .await
            .map_err(StoreError::from)?;
        let free =
            sql::credential::insert(&mut *transaction, user.id, email.as_str(), &hash, now).await;
        if !free.map_err(StoreError::from)? {
            return Err(RegisterError::EmailTaken);
        }
        let session = self.open(&mut transaction, user, None, now).await?;
        transaction.commit().await.map_err(StoreError::from)?;
        self.inner.counters.registered.add();
        Ok(session)
    }

    /// Logs an account in. It takes as long for an unknown address as for a wrong password.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn login(&self, email: &str, password: String) -> Result<Session, LoginError> {
        let email = Email::parse(email).ok();
        let key = email.as_ref().map(Email::key).unwrap_or_default();
        self.limit(|limiter, now| limiter.account(Scope::LoginAccount, &key, now))?;
        let account = match &email {
            Some(email) => sql::credential::find_by_email(&self.inner.pool, email.as_str()).await,
            None => Ok(None),
        };
        let account = account.map_err(StoreError::from)?;
        let password = Password::attempt(password).ok_or(LoginError::WrongCredentials)?;
        let stored = account.as_ref().map(|account| account.password_hash.clone());
        let checked = self.inner.hasher.check(password, stored).await.map_err(LoginError::Hash)?;
        let (Some(account), Checked::Right { rehashed }) = (account, checked) else {
            self.inner.counters.logins_refused.add();
            return Err(LoginError::WrongCredentials);
        };

        let now = self.now();
        let mut transaction = self.inner.pool.begin().await.map_err(StoreError::from)?;
        if let Some(hash) = rehashed {
            let (user, old) = (account.user.id, &account.password_hash);
            sql::credential::rehash(&mut *transaction, user, old, &hash)
                .await
                .map_err(StoreError::from)?;
        }
        let session = self.open(&mut transaction, account.user, None, now).await?;
        transaction.commit().await.map_err(StoreError::from)?;
        self.inner.counters.logins.add();
        Ok(session)
    }
}
